-- Who works on a call: every later write of it names the claim, so that one who was taken over changes nothing more.
ALTER TABLE idempotency ADD COLUMN claim TEXT NOT NULL DEFAULT '';

-- What came of it, written with it: a call that is carried out again after its server died is answered by this.
ALTER TABLE idempotency ADD COLUMN effect TEXT NOT NULL DEFAULT '';
