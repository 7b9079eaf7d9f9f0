-- What a fleet publishes. `{dims}` is the length of a vector; STORE_VERSION in store.py is raised with every change.
CREATE SCHEMA patina;

CREATE TABLE patina.store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    model text NOT NULL,           -- by this name the asker's registry knows it
    model_digest text NOT NULL,
    model_settings text NOT NULL,
    dims integer NOT NULL
);

-- The most that a login may ask as: `*` is a server whose proxy says who asks. Without a row, a login sees nothing.
CREATE TABLE patina.login (name name PRIMARY KEY, groups text[] NOT NULL);

CREATE TABLE patina.project (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    groups text[] NOT NULL,        -- who may see it
    passages integer NOT NULL DEFAULT 0,
    digest text NOT NULL DEFAULT '',
    published timestamptz
);

-- What is searched. What Postgres may look up below row-level security are leakproof operators only, such as `=`; so
-- symbols are compared in lower case as they are stored.
CREATE TABLE patina.passage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES patina.project ON DELETE CASCADE,
    kind text NOT NULL,            -- code, docs, commits, notes
    thing text NOT NULL,
    role text NOT NULL,
    symbol_key text NOT NULL,
    state text,
    path text,
    author text,
    "time" text,
    words tsvector NOT NULL,       -- A: name, B: doc, C: body, D: place
    embedding halfvec({dims}) NOT NULL
) WITH (fillfactor = 90, toast_tuple_target = 8160);  -- to read words out of another table took most of a question's time
ALTER TABLE patina.passage ALTER embedding SET STORAGE PLAIN;

-- What is shown, and by what a publisher knows what has changed.
CREATE TABLE patina.content (
    id bigint PRIMARY KEY REFERENCES patina.passage ON DELETE CASCADE,
    project_id integer NOT NULL,
    digest bytea NOT NULL,         -- SHA-256 of what is embedded and searched
    place bytea NOT NULL,          -- SHA-256 of lines, state, author and so on
    item text NOT NULL,            -- function, type, section, commit, ...
    symbol text NOT NULL,
    doc text NOT NULL,
    body text NOT NULL,
    line integer,
    end_line integer,
    session text,
    "commit" text,
    url text,
    status text
) WITH (fillfactor = 90);

-- In how many passages of a project a word stands: what an asker may not see does not count for that asker.
CREATE TABLE patina.frequency (
    word text NOT NULL,
    project_id integer NOT NULL REFERENCES patina.project ON DELETE CASCADE,
    passages integer NOT NULL,
    PRIMARY KEY (word, project_id) INCLUDE (passages)  -- sums over thousands of projects are read from the index alone
);

CREATE INDEX passage_project ON patina.passage (project_id);
CREATE INDEX passage_thing ON patina.passage USING hash (thing);
CREATE INDEX passage_symbol ON patina.passage USING hash (symbol_key);
CREATE INDEX passage_words ON patina.passage USING gin (words) WITH (fastupdate = off);
CREATE INDEX passage_embedding ON patina.passage USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 64);
CREATE INDEX content_project ON patina.content (project_id);
CREATE INDEX frequency_project ON patina.frequency (project_id);

-- The groups that a transaction asks as: what it says by SET LOCAL, and what its login may say.
CREATE FUNCTION patina.groups() RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN '*' = ANY (login.groups) THEN asked.groups
           ELSE ARRAY(SELECT unnest(asked.groups) INTERSECT SELECT unnest(login.groups)) END
    FROM patina.login,
         (SELECT string_to_array(coalesce(current_setting('patina.groups', true), ''), ',') AS groups) AS asked
    WHERE login.name = session_user
$$;

ALTER TABLE patina.project ENABLE ROW LEVEL SECURITY;
ALTER TABLE patina.passage ENABLE ROW LEVEL SECURITY;
ALTER TABLE patina.content ENABLE ROW LEVEL SECURITY;
ALTER TABLE patina.frequency ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON patina.project FOR SELECT TO patina_reader USING (groups && (SELECT patina.groups()));
CREATE POLICY seen ON patina.passage FOR SELECT TO patina_reader USING (project_id IN (SELECT id FROM patina.project));
CREATE POLICY seen ON patina.content FOR SELECT TO patina_reader USING (project_id IN (SELECT id FROM patina.project));
CREATE POLICY seen ON patina.frequency FOR SELECT TO patina_reader USING (project_id IN (SELECT id FROM patina.project));

-- Under row-level security Postgres does not use the index of words, as its operator is not leakproof. So this function
-- has the owner's rights and looks at visible projects only. What it returns is joined with the protected tables.
CREATE FUNCTION patina.holding(
    query tsquery, terms tsquery[], rarity real[], kinds text[], weights real[], projects integer[],
    path_like text, endings text[], since text, author_like text, most integer, depth integer
) RETURNS TABLE (id bigint, kind text, score real) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
-- With a limit, Postgres would rather look into each passage than ask the index.
SET enable_seqscan = off SET enable_indexscan = off AS $$
DECLARE
    seen integer[] := ARRAY(SELECT project.id FROM patina.project WHERE project.groups && (SELECT patina.groups())
                            AND (projects IS NULL OR project.id = ANY (projects)));
BEGIN
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT passage.id, passage.kind, passage.words,
               weights[4 * array_position(kinds, passage.kind) - 3 : 4 * array_position(kinds, passage.kind)] AS own
        FROM patina.passage
        WHERE passage.words @@ query AND passage.kind = ANY (kinds)
          -- A long list of projects costs more in an index than it saves.
          AND (cardinality(seen) > 20 OR passage.project_id = ANY (seen))
          -- A pattern may fail on some texts and not on others. CASE says in which order conditions are looked at; in
          -- any other order, the failure would tell of hidden rows.
          AND CASE WHEN passage.project_id = ANY (seen) THEN
              (path_like IS NULL OR passage.path LIKE path_like)
              AND (endings IS NULL OR lower(passage.path) LIKE ANY (endings))
              AND (since IS NULL OR passage."time" >= since)
              AND (author_like IS NULL OR lower(passage.author) LIKE author_like)
              END
        LIMIT most
    ), scored AS (
        -- Written out, as a sum over rows takes twice as long; MOST_SCORED in passages.py is the number of lines.
        SELECT found.id, found.kind, (
                 coalesce(rarity[1] * ts_rank(own, words, terms[1], 1), 0)
               + coalesce(rarity[2] * ts_rank(own, words, terms[2], 1), 0)
               + coalesce(rarity[3] * ts_rank(own, words, terms[3], 1), 0)
               + coalesce(rarity[4] * ts_rank(own, words, terms[4], 1), 0)
               + coalesce(rarity[5] * ts_rank(own, words, terms[5], 1), 0)
               + coalesce(rarity[6] * ts_rank(own, words, terms[6], 1), 0)
               + coalesce(rarity[7] * ts_rank(own, words, terms[7], 1), 0)
               + coalesce(rarity[8] * ts_rank(own, words, terms[8], 1), 0)
               )::real AS score
        FROM found
    ), ranked AS (
        SELECT scored.*, row_number() OVER (PARTITION BY scored.kind ORDER BY scored.score DESC, scored.id) AS rank
        FROM scored
    )
    SELECT ranked.id, ranked.kind, ranked.score FROM ranked WHERE rank <= depth;
END
$$;

REVOKE ALL ON FUNCTION patina.groups(), patina.holding FROM PUBLIC;
GRANT USAGE ON SCHEMA patina TO patina_reader;
GRANT SELECT ON patina.store, patina.project, patina.passage, patina.content, patina.frequency TO patina_reader;
GRANT EXECUTE ON FUNCTION patina.groups(), patina.holding TO patina_reader;
