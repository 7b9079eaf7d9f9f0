"""Modules that decide and write, the tests that should notice a change of them, and changes that change nothing."""

_PAIRS = "tests/patina_assets/pairs"
_TYPES = "patina_assets/pairs/types"
_MATERIALIZE = "tests/patina_resources/materialize"


def _in(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/test_{name}.py" for name in names.split())


_STORE = _in(
    "tests/patina_resources/store",
    "files mutex installation_key manifests manifest_entries artifacts killed_publishing damaged_artifacts "
    "file_digests",
)
_RECIPES = _in("tests/patina_assets/recipe", "recipe recipe_faults")

# Quick tests first: the first that fails ends a try.
MODULES: dict[str, tuple[str, ...]] = {
    "patina_assets/pipeline/staleness.py": _in(
        "tests/patina_assets/pipeline", "staleness renewing stale_models early_cutoff refresh"
    ),
    "patina_assets/pipeline/trust.py": _in("tests/patina_assets/pipeline", "foreign_builds"),
    "patina_resources/store/artifacts.py": _STORE,
    "patina_resources/store/files.py": _STORE,
    "patina_resources/store/known_files.py": _STORE,
    "patina_resources/store/manifests.py": _STORE,
    "patina_resources/store/mutex.py": _STORE,
    "patina_resources/store/trust.py": _in("tests/patina_resources/store", "installation_key"),
    "patina_resources/eventlog/live.py": _in("tests/patina_resources/eventlog", "eventlog"),
    "patina_resources/eventlog/writer.py": (
        "tests/patina_resources/eventlog/test_writer.py",
        "tests/security/test_eventlog_writing.py",
    ),
    "patina_assets/recipe/model.py": _RECIPES,
    "patina_assets/recipe/reader.py": _RECIPES,
    f"{_TYPES}/ast_similar.py": _in(_PAIRS, "figures signature_shapes pairs_code pairs"),
    f"{_TYPES}/caller_callee.py": (
        f"{_PAIRS}/test_figures.py",
        f"{_PAIRS}/test_caller_callee.py",
        f"{_PAIRS}/test_pairs_code.py",
        f"{_PAIRS}/test_pairs.py",
    ),
    f"{_TYPES}/co_changed.py": _in(_PAIRS, "figures co_changed pairs_commits pairs"),
    f"{_TYPES}/commit_touches.py": _in(_PAIRS, "figures commit_touches pairs_commits pairs"),
    f"{_TYPES}/effect_similarity.py": _in(_PAIRS, "figures states_and_effects pairs_commits pairs"),
    f"{_TYPES}/same_author.py": _in(_PAIRS, "figures same_author pairs_commits pairs"),
    f"{_TYPES}/same_module.py": _in(_PAIRS, "figures pairs_code code_contexts pairs"),
    f"{_TYPES}/same_session.py": (f"{_PAIRS}/test_same_session.py", f"{_PAIRS}/test_pairs.py"),
    f"{_TYPES}/state_similarity.py": _in(_PAIRS, "figures states_and_effects pairs_commits pairs"),
    "patina_assets/pairs/commits.py": _in(_PAIRS, "figures pairs_commits pairs"),
    "patina_assets/pairs/entities.py": (f"{_PAIRS}/test_drift.py",),
    "patina_assets/pairs/hash_sample.py": (f"{_PAIRS}/test_drift.py",),
    "patina_assets/pairs/relations.py": (f"{_PAIRS}/test_relations.py", f"{_PAIRS}/test_triplet.py"),
    "patina_assets/pairs/splits.py": (f"{_PAIRS}/test_relations.py", f"{_PAIRS}/test_pairs.py"),
    "patina_assets/pairs/triplet.py": (f"{_PAIRS}/test_triplet.py",),
    "patina_assets/orchestration/automation/decisions.py": _in(
        "tests/patina_assets/orchestration/automation", "decisions probes"
    ),
    "patina_assets/learning/adam.py": _in("tests/patina_assets/learning", "adam train"),
    "patina_assets/learning/losses.py": _in("tests/patina_assets/learning", "train"),
    "patina_resources/eventlog/reader.py": _in(
        "tests/patina_resources/eventlog", "eventlog remembered_look eventlog_readers looks"
    ),
    "patina_assets/learning/verdict.py": ("tests/patina_assets/learning/test_verdict.py",),
    "patina_assets/pipeline/stages/refresh.py": ("tests/patina_assets/pipeline/test_refresh.py",),
    "patina_resources/eventlog/file_names.py": ("tests/patina_resources/eventlog/test_file_names.py",),
    "patina_resources/eventlog/normal_forms.py": (f"{_PAIRS}/test_pairs_commits.py",),
    "patina_resources/materialize/reconcile.py": _in(_MATERIALIZE, "reconcile"),
    "patina_resources/materialize/forge/records.py": _in(_MATERIALIZE, "forge_records"),
    "patina_resources/materialize/notes/decision_records.py": _in(
        _MATERIALIZE, "decision_records materialize_sessions hostile_notes"
    ),
    "patina_resources/materialize/notes/session_notes.py": _in(
        _MATERIALIZE, "session_note_patterns session_notes materialize_sessions"
    ),
    "patina_resources/materialize/git/times.py": _in(_MATERIALIZE, "commit_times commit_messages materialize_git"),
    "patina_assets/search/fusion.py": ("tests/patina_assets/search/test_fusion.py",),
    "patina_assets/search/questions.py": ("tests/patina_assets/search/test_questions.py",),
    "patina_assets/search/ranking.py": ("tests/patina_assets/search/test_ranking.py",),
}

# (path, line, what stands there instead) -> why nobody could notice it.
_WRITER, _RECIPE = "patina_resources/eventlog/writer.py", "patina_assets/recipe"
_FILES = "patina_resources/store/files.py"
_ARTIFACTS = "patina_resources/store/artifacts.py"
_MUTEX = "patina_resources/store/mutex.py"
_TRUST = "patina_resources/store/trust.py"
_TIMES = "patina_resources/materialize/git/times.py"
_NOTES = "patina_resources/materialize/notes/session_notes.py"
_FAR = "what datetime cannot hold is never near zero"
EQUIVALENT: dict[tuple[str, str, str], str] = {
    (_WRITER, "QUIET_WAIT_SECONDS = 1.0", "(1.0 + 1)"): "seconds of a wait: no test measures time",
    (_WRITER, "WAIT_SECONDS = 600.0", "(600.0 + 1)"): "seconds of a wait: no test measures time",
    (_WRITER, "self._changes_before = 0", "(0 + 1)"): "it is set before it is read",
    (_WRITER, "connection.close()", "pass"): "Python closes it when nothing holds it any more",
    (
        "patina_assets/orchestration/automation/decisions.py",
        'document = json.loads(cursor or "{}")',
        "((cursor))",
    ): "what is no text is no memory either",
    **{
        ("patina_resources/eventlog/reader.py", "if table is None or used[table] < 2:", after): why
        for after, why in (
            ("((used[table] < 2))", "what begins with no common table is counted nowhere"),
            ("((table is None))", "what only one source begins with is a table, too: slower, and nothing else"),
            ("used[table] <= 2", "two sources are read each for itself: slower, and nothing else"),
            ("(2 + 1)", "two sources are read each for itself: slower, and nothing else"),
        )
    },
    ("patina_resources/eventlog/reader.py", "MOST_READ = 100_000", "(100000 + 1)"): "one event more at each look",
    (
        "patina_resources/eventlog/reader.py",
        "MOST_KEPT_BYTES = 64 << 20",
        "(64 + 1)",
    ): "a limit of memory: with a little more, the same is read",
    (
        "patina_resources/eventlog/reader.py",
        "MOST_KEPT_BYTES = 64 << 20",
        "(20 + 1)",
    ): "a limit of memory: with more, the same is read",
    (
        "patina_assets/pairs/hash_sample.py",
        "kept = int(np.isin(new, old, assume_unique=True).sum())",
        "False",
    ): "hashes of a sample stand once",
    ("patina_resources/eventlog/file_names.py", "BEFORE, AFTER = 0, 1", "(1 + 1)"): "only the order of both counts",
    (
        "patina_resources/eventlog/reader.py",
        'return f"{source.name}@{hashlib.sha256(source.sql.encode()).hexdigest()[:16]}"',
        "(16 + 1)",
    ): "one more digit of a digest that tells SQL apart",
    (_WRITER, "LEAST_STEPS = 100_000_000", "(100000000 + 1)"): "one step more of a limit against endless work",
    (_WRITER, "ROW_BYTES = 100", "(100 + 1)"): "one byte more of a limit against endless work",
    (
        _WRITER,
        'self._connection.execute("CREATE INDEX temp.seqs_of_file ON live_of_file (source_file, seq)")',
        "pass",
    ): "an index makes it quick, and nothing else",
    (_FILES, "os.fsync(descriptor)", "pass"): "only a power cut would show it",
    (_FILES, "os.fsync(file.fileno())", "pass"): "only a power cut would show it",
    (
        "patina_assets/pairs/relations.py",
        "itself = merged // max(relations.texts, 1) == merged % max(relations.texts, 1)",
        "(1 + 1)",
    ): "of no text or one, nothing is related",
    (
        "patina_assets/pairs/relations.py",
        "if len(members) <= MAX_CONTEXT_MEMBERS:",
        "len(members) < MAX_CONTEXT_MEMBERS",
    ): "as many as are wanted are spread to themselves",
    (
        "patina_assets/pairs/relations.py",
        "if rows.size <= most:",
        "rows.size < most",
    ): "as many as are wanted are spread to themselves",
    (
        "patina_assets/orchestration/automation/decisions.py",
        "names = sorted({verdict.projection for verdict in stale} - {MODEL, LOCK}) or [LOCK] * bool(stale)",
        "list({verdict.projection for verdict in stale} - {MODEL, LOCK})",
    ): "what is asked for stands in the order of the verdicts",
    (
        "patina_assets/pairs/commits.py",
        "if type(count) is int and count > 0:",
        "count >= 0",
    ): "no lines add nothing to a sum",
    (
        f"{_TYPES}/effect_similarity.py",
        "most = max((len(effect.changes) for effect in effects), default=0)",
        "(0 + 1)",
    ): "of no effects, no column is read",
    (
        "patina_resources/materialize/reconcile.py",
        "if held and (same := held.get(self.identity(event))):",
        "((same := held.get(self.identity(event))))",
    ): "what is new is not compared: quicker, and nothing else",
    ("patina_assets/pairs/entities.py", "once = first < second", "first <= second"): "nothing is related to itself",
    ("patina_assets/pairs/triplet.py", "NEGATIVE_ATTEMPTS = 30", "(30 + 1)"): "one try more",
    (
        "patina_assets/pairs/triplet.py",
        'order = np.argsort(relations.members, kind="stable")',
        "'stable_'",
    ): "numpy reads the first letter",
    ("patina_assets/learning/adam.py", "ADAM_BLOCK = 65_536", "(65536 + 1)"): "the size of a block changes no value",
    ("patina_resources/store/known_files.py", "MOST_KNOWN = 4096", "(4096 + 1)"): "one file more is remembered",
    (
        "patina_resources/store/manifests.py",
        "_PARSED: KnownFiles[tuple[State, _Parsed]] = KnownFiles(most=256)",
        "(256 + 1)",
    ): "one manifest more is remembered",
    (_TRUST, "WAIT_SECONDS = 30.0", "(30.0 + 1)"): "seconds of a wait: no test measures time",
    (
        _TRUST,
        'with exclusive(own / "key.mutex", WAIT_SECONDS, "making the key"):',
        "'key.mutex_'",
    ): "any name will do: all processes use the same",
    (
        "patina_assets/learning/verdict.py",
        "return Verdict.BETTER if self.low > 0 else Verdict.WORSE",
        "self.low >= 0",
    ): "an interval that begins at zero holds it",
    (
        f"{_TYPES}/caller_callee.py",
        "if len(self.qualified[name, qualifier]) < 2:",
        "(2 + 1)",
    ): "a name in three files says no more than one in two",
    (
        f"{_TYPES}/caller_callee.py",
        'return (next(iter(files)), bool(qualifier)) if places.count[name] == 1 else ("", False)',
        "True",
    ): "of what is in no file, nobody asks whether it is a guess",
    (
        f"{_RECIPE}/reader.py",
        'if did_you_mean("training", others):',
        "'training_'",
    ): "what is near to one of them only is near to no option",
    (
        f"{_RECIPE}/reader.py",
        "if self.faults or top is None:",
        "((self.faults))",
    ): "nothing is read only where there is a fault",
    (
        _TIMES,
        "return CommitTime(LATEST if seconds > 0 else EARLIEST, as_written=False, seconds=seconds)",
        "(0 + 1)",
    ): _FAR,
    (
        _TIMES,
        "return CommitTime(LATEST if seconds > 0 else EARLIEST, as_written=False, seconds=seconds)",
        "seconds >= 0",
    ): _FAR,
    (
        f"{_TYPES}/caller_callee.py",
        "if len(self.qualified[name, qualifier]) < 2:",
        "len(self.qualified[name, qualifier]) <= 2",
    ): "a name in three files says no more than one in two",
    (
        f"{_TYPES}/caller_callee.py",
        'return (next(iter(named.values())), bool(before)) if len(named) == 1 and not of_another else ("", False)',
        "True",
    ): "of what means nothing, nobody asks whether it is a guess",
    (
        "patina_resources/eventlog/file_names.py",
        "while name not in passed and name not in found and name not in there:",
        "((name not in passed) and (name not in there))",
    ): "the same end is found again, by a longer way",
    (_NOTES, "line: int = 0", "(0 + 1)"): "what stands before all headings and labels is no note",
    (_NOTES, "first: int = 0", "(0 + 1)"): "what stands before all headings and labels is no note",
    (_NOTES, "begun = at = 0", "(0 + 1)"): "both are set before they are read",
    (_FILES, "file.flush()", "pass"): "closing does it, too; only a power cut would show the difference",
    (_FILES, "sync_folder(path.parent)", "pass"): "only a power cut would show it",
    (
        _ARTIFACTS,
        "is_like_it = not unusual(status) and status.st_size == output.bytes",
        "((not unusual(status)))",
    ): "what has another size has another digest: quicker, and nothing else",
    (_ARTIFACTS, "READ_ATTEMPTS = 20", "(20 + 1)"): "one try more",
    (_ARTIFACTS, "MUTEX_WAIT_SECONDS = 900.0", "(900.0 + 1)"): "seconds of a wait: no test measures time",
    (_ARTIFACTS, "sync_folder(paths.folder)", "pass"): "only a power cut would show it",
    (_MUTEX, "time.sleep(POLL_SECONDS)", "pass"): "it asks without a pause: more work, and nothing else",
    (_MUTEX, "POLL_SECONDS = 0.05", "(0.05 + 1)"): "seconds of a wait: no test measures time",
    (
        _FILES,
        "MOST_OF_NAME = 200  # characters; with what is added, a name stays below the 255 bytes of file systems",
        "(200 + 1)",
    ): "with one character more a name is short enough, too",
    (
        _MUTEX,
        'holder = os.pread(descriptor, 20, 0).decode("ascii", "replace")',
        "(20 + 1)",
    ): "no number of a process has so many digits",
    (
        _FILES,
        'temporary = path.parent / f"{TEMPORARY_PREFIX}{path.name[:MOST_OF_NAME]}.{secrets.token_hex(8)}"',
        "(8 + 1)",
    ): "more random bits tell a name apart, too",
}
