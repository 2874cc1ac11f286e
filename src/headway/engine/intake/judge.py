"""What is to become of one branch's arrivals: what is known of them, what their files say, how their runs are planned. Blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from headway.domain.commit import Commit
from headway.domain.intake import Arrival, ArrivalKind, Repository, arrival_key
from headway.domain.run import Run
from headway.engine.intake.store import EVENTS, Intent, Judged, Move, order_of
from headway.engine.repositories.commits import CommitFile, Reader
from headway.engine.runs.order import prepare
from headway.pipeline.collapse import swallowed
from headway.pipeline.news import Choice, Fate, Told, Word, choose, news
from headway.pipeline.triggers import Decision, decide
from headway.store.arrivals import StoredArrival, taken_before
from headway.store.database import Database, Transaction
from headway.store.repositories import ref_of
from headway.store.runs import unfinished_of_ref

_DELETED = "deleted: there is nothing to run"


class Judgement:
    """Of arrivals of one ref that lie here together, in their order. Use once."""

    def __init__(
        self,
        database: Database,
        reader: Reader,
        repository: Repository,
        arrivals: Sequence[StoredArrival],
        commits: Mapping[str, Commit],
    ) -> None:
        self._database = database
        self._reader = reader
        self._repository = repository
        self._stored = arrivals
        self._commits = commits
        self._files: dict[int, CommitFile] = {}
        self._decisions: dict[int, Decision] = {}

    def all(self) -> Judged:
        ref = self._stored[0].arrival.ref
        is_asked = self._stored[0].arrival.kind is ArrivalKind.PULL_REQUEST

        def look(tx: Transaction) -> tuple[str | None, list[bool]]:
            taken = [taken_before(tx, self._repository.id, one.arrival, one.number) for one in self._stored]
            return ref_of(tx, self._repository.id, ref), taken

        at, taken = self._database.read(look)
        told = self._told(at, taken)
        are_new = news(told, at)
        choices = choose(told, at, self._ask)
        last_new = max((number for number, is_new in enumerate(are_new) if is_new), default=-1)
        intents = []
        for number, choice in enumerate(choices):
            moves = are_new[number] and not told[number].is_behind and not is_asked
            intent = self._intent(number, choice, told[number])
            intents.append(
                replace(
                    intent,
                    moves=Move(told[number].after) if moves else None,
                    describes=moves and number == last_new and choice.by == number,
                )
            )
        return Judged(tuple(intents), None if is_asked else ref, at)

    def _told(self, at: str | None, taken: Sequence[bool]) -> list[Told]:
        """A forge's word that comes after a look has seen what came later: it gets its run, and moves nothing back."""
        places: set[str | None] = {at}
        found = []
        for stored, was_taken in zip(self._stored, taken, strict=True):
            arrival = stored.arrival
            follows = arrival.before in places or arrival.after in places
            is_behind = (
                at is not None
                and arrival.kind is ArrivalKind.PUSH
                and not follows
                and arrival.after is not None
                and self._reader.is_behind(self._repository, arrival.after, at)
            )
            places.add(arrival.after or "")
            after = arrival.after
            if arrival.kind is ArrivalKind.TAG and (commit := self._commit(arrival)) is not None:
                # It counts by its commit, whether it was told by that or by its own id.
                after = commit.sha
            found.append(
                Told(arrival.kind, arrival.before, after, arrival_key(arrival), was_taken, is_behind)
            )
        return found

    def _ask(self, number: int, by: int) -> Word:
        arrival = self._stored[number].arrival
        if arrival.kind is ArrivalKind.DELETE:
            return Word(_DELETED)
        file = self._file(by)
        if file.missing:
            return Word(file.missing)
        if file.contract is None:
            return Word(collapses=False)
        changed = None
        # Only a push begins by its paths; of a pull request they would be a stranger's, before anybody let it in.
        of_push = file.contract.triggers.push if arrival.kind is ArrivalKind.PUSH else None
        if of_push is not None and of_push.paths:
            changed = self._reader.changed(self._repository, arrival, file.contract)
        decision = decide(file.contract.triggers, self._with_message(arrival), changed=changed)
        self._decisions[number] = decision
        collapses = file.contract.pipeline.superseded == "collapse"
        return Word("" if decision.run else decision.reason, collapses)

    def _file(self, number: int) -> CommitFile:
        if number not in self._files:
            arrival = self._stored[number].arrival
            self._files[number] = self._reader.read(self._repository, arrival, self._commits)
        return self._files[number]

    def _commit(self, arrival: Arrival) -> Commit | None:
        return self._reader.commit(self._repository, arrival, self._commits)

    def _with_message(self, arrival: Arrival) -> Arrival:
        """The whole message decides on `[skip ci]`; who looked at refs alone did not have it."""
        if arrival.message or self._commit(arrival) is None:
            return arrival
        return replace(arrival, message=self._reader.message(self._repository, arrival))

    def _intent(self, number: int, choice: Choice, told: Told) -> Intent:
        stored = self._stored[number]
        file = None if choice.by is None or told.after is None else self._file(choice.by)
        if choice.fate is Fate.IGNORED:
            return Intent(stored, file=file, ignored=choice.reason)
        assert file is not None
        overtaken, is_newest = choice.fate is Fate.OVERTAKEN, choice.fate is Fate.RUN and not told.is_behind
        decision = self._decisions.get(number)
        is_held = decision is not None and decision.held_for != ""
        changed, since = None, None
        if is_newest and file.contract is not None:
            since = self._since(number, choice, file)
            # What a person has to let in is planned when they do.
            if not is_held:
                arrival = replace(stored.arrival, before=since)
                changed = self._reader.changed(self._repository, arrival, file.contract)
        order = order_of(
            self._repository,
            stored,
            file,
            self._commit(stored.arrival),
            held_for=decision.held_for if decision else "",
            overtaken=overtaken,
            changed=changed,
            changed_since=since,
        )
        return Intent(stored, file=file, prepared=prepare(order), overtaken=overtaken, is_newest=is_newest)

    def _since(self, number: int, choice: Choice, file: CommitFile) -> str | None:
        """Where the branch was before the oldest push whose place this one takes: those had not been looked at yet."""
        arrival = self._stored[number].arrival
        assert file.contract is not None
        older = self._swallowed(arrival, file)
        if older and older[0].trigger is not None:
            return older[0].trigger.changed_since
        return self._stored[choice.overtakes[0]].arrival.before if choice.overtakes else arrival.before

    def _swallowed(self, arrival: Arrival, file: CommitFile) -> list[Run]:
        assert file.contract is not None
        unfinished = self._database.read(lambda tx: unfinished_of_ref(tx, file.service, arrival.ref))
        return swallowed(
            unfinished,
            file.contract.pipeline,
            service=file.service,
            repository=self._repository.id,
            ref=arrival.ref,
            event=EVENTS[arrival.kind],
        )
