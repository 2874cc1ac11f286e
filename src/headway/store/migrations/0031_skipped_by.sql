-- What kept a skipped job from starting: what repeats "what failed" takes along those that waited for it, and no others.
ALTER TABLE jobs ADD COLUMN skipped_by TEXT CHECK (skipped_by IN ('need', 'when'));

UPDATE jobs SET skipped_by = 'need' WHERE state = 'skipped' AND reason LIKE 'needs ''%';

UPDATE jobs SET skipped_by = 'when' WHERE state = 'skipped' AND reason LIKE 'when %';
