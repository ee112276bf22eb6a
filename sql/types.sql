-- what a column can be by its type; a category's text, which no setting changes
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA types;
SET search_path = types, public;
\pset null '-'

-- what a query raises
CREATE FUNCTION raised(query text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    message := 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
    state = RETURNED_SQLSTATE;
    detail := nullif(detail, '');
    hint := nullif(hint, '');
END $$;
CREATE FUNCTION quick(more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT ctr_fit(epochs => 1, min_count => 1, validation => 0,
                   target_statistics => false) || '{"mlp_layers": [2]}' || more $$;

-- every type that can be a category, and its text
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN birthday AS date;
CREATE DOMAIN new_mood AS mood;
CREATE TABLE spelled (type text, value text, category text);
INSERT INTO spelled VALUES
    ('boolean', 'on', 'true'), ('boolean', 'f', 'false'), ('smallint', '-7', '-7'), ('integer', '42', '42'),
    ('bigint', '42', '42'),
    ('real', '0.1', '0.1'), ('real', '-0', '0'),
    ('double precision', '0.30000000000000004', '0.30000000000000004'),
    ('double precision', '42', '42'), ('double precision', '-Infinity', '-Infinity'),
    ('numeric', '42.00', '42'), ('numeric', '-0.50', '-0.5'),
    ('text', 'a ', 'a '), ('varchar(3)', 'a', 'a'), ('char(5)', 'a', 'a'), ('name', 'a', 'a'),
    ('"char"', 'a', 'a'), ('uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
                           'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
    ('mood', 'glad', 'glad'), ('new_mood', 'sad', 'sad'), ('bytea', '\x00fF', '\x00ff'), ('bytea', '', '\x'),
    ('date', '2026-02-01', '2026-02-01'),
    ('date', 'infinity', 'infinity'), ('date', '4713-01-02 BC', '4713-01-02 BC'),
    ('birthday', '5874897-12-31', '5874897-12-31'),
    ('timestamp', '2026-02-01 03:04:05', '2026-02-01 03:04:05'),
    ('timestamp', '2026-02-01 03:04:05.06', '2026-02-01 03:04:05.06'),
    ('timestamp', '-infinity', '-infinity'),
    ('timestamp', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999'),
    ('timestamp', '4713-01-01 23:59:59.999999 BC', '4713-01-01 23:59:59.999999 BC'),
    ('time', '03:04', '03:04:00'), ('timetz', '03:04+05:30', '03:04:00+05:30'),
    ('inet', '10.0.0.1/8', '10.0.0.1/8'), ('macaddr', '08-00-2b-01-02-03', '08:00:2b:01:02:03'),
    ('bit(3)', '101', '101'), ('jsonb', '{"b":1.50, "a":[]}', '{"a": [], "b": 1.50}'),
    ('point', '(0.1,1e-7)', '(0.1,1e-07)'), ('circle', '<(1,2),0.7>', '<(1,2),0.7>'),
    ('pg_lsn', '0/1F', '0/1F'), ('tsvector', 'a b', '''a'' ''b''');

-- a value's code, where the categories are texts, in a model of one column; the most frequent category has
-- code 2
CREATE FUNCTION code(model ctr_model, type text, value text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE code int;
BEGIN
    EXECUTE format('SELECT x_cat[1] FROM (SELECT %L::%s AS x) r, ctr_encode($1, r)', value, type) INTO code
    USING model;
    RETURN code;
END $$;
CREATE TABLE of_texts AS
SELECT type, value, ctr_train(r, quick()) AS model
FROM spelled, LATERAL (VALUES (category, 1), (category, 1), ('another', 0)) r (x, label) GROUP BY type, value;
SELECT type, value, code(model, type, value) FROM of_texts WHERE code(model, type, value) IS DISTINCT FROM 2;
SELECT code(model, 'text', '{"x": true}'::jsonb ->> 'x') AS json_boolean,
       code(model, '"char"', '\200') IN (0, 2) AS beyond_ascii FROM of_texts
       WHERE type = 'boolean' AND value = 'on';

-- no setting changes it, in training and in scoring
CREATE TABLE settings (name text, value text);
INSERT INTO settings VALUES ('DateStyle', 'SQL, DMY'), ('DateStyle', 'Postgres, MDY'),
                            ('DateStyle', 'German'), ('IntervalStyle', 'iso_8601'),
    ('TimeZone', 'Asia/Tokyo'), ('TimeZone', 'America/St_Johns'), ('extra_float_digits', '-15'),
    ('extra_float_digits', '0'), ('extra_float_digits', '3'),
    ('bytea_output', 'escape'), ('lc_monetary', 'C'), ('lc_numeric', 'C'), ('xmloption', 'document'),
    ('array_nulls', 'off'), ('quote_all_identifiers', 'on');
CREATE FUNCTION of_type(type text, value text) RETURNS ctr_model LANGUAGE plpgsql AS $$
DECLARE model ctr_model;
BEGIN
    EXECUTE format('SELECT ctr_train(r, quick(''{"categorical": ["x"]}'') ORDER BY label)
        FROM (SELECT CASE WHEN label = 1 THEN %1$L::%2$s END AS x, label
              FROM generate_series(0, 1) label) r', value, type) INTO model;
    RETURN model;
END $$;
CREATE TABLE of_types AS SELECT type, value, of_type(type, value) AS model FROM spelled;

-- each value's code under other settings: of the old model, and of one trained under them
CREATE TABLE changes (name text, setting text, type text, value text, scored int, trained int);
DO $$
DECLARE s settings;
BEGIN
    FOR s IN SELECT * FROM settings LOOP
        PERFORM set_config(s.name, s.value, true);
        INSERT INTO changes SELECT s.name, s.value, type, value, code(model, type, value),
                                   code(of_type(type, value), 'text', category) FROM of_types
                                   JOIN spelled USING (type, value);
        PERFORM set_config(s.name, boot_val, true) FROM pg_settings WHERE name = s.name;
    END LOOP;
END $$;
SELECT count(*) FROM changes WHERE type <> '"char"';
SELECT * FROM changes WHERE scored <> 2 OR trained <> 2;

-- so an index on scores is right in every session
CREATE TABLE visits AS
SELECT i AS id, (i % 4 < 1 + i % 3)::int AS label, date '2026-01-01' + i % 3 AS day
FROM generate_series(1, 300) i;
CREATE TABLE of_visits AS
SELECT ctr_train(v, ctr_fit(epochs => 3, categorical => '{day}', ignore => '{id}')) AS model FROM visits v;
CREATE FUNCTION the_model() RETURNS ctr_model IMMUTABLE LANGUAGE plpgsql SET search_path FROM CURRENT
AS $$ BEGIN RETURN (SELECT model FROM of_visits); END $$;
CREATE INDEX scored ON visits (ctr_predict(the_model(), visits));
SET DateStyle = 'German';
SET enable_seqscan = off;
SELECT count(DISTINCT p) AS scores, count(*) AS rows, bool_and(by_index) AS found
FROM (SELECT ctr_predict(the_model(), v) AS p FROM visits v) s,
     LATERAL (SELECT count(*) = 100 AS by_index FROM visits w WHERE ctr_predict(the_model(), w) = s.p) f;
RESET enable_seqscan;
RESET DateStyle;

-- columns that cannot be features: all in one error, with what to write instead
CREATE DOMAIN moment AS timestamptz;
CREATE TYPE pair AS (a int);
SET client_min_messages = error;
CREATE TYPE caseless; -- as citext is
CREATE FUNCTION caseless_in(cstring) RETURNS caseless IMMUTABLE STRICT LANGUAGE internal AS 'textin';
CREATE FUNCTION caseless_out(caseless) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
CREATE TYPE caseless (LIKE = text, INPUT = caseless_in, OUTPUT = caseless_out, CATEGORY = 'S');
SET client_min_messages = warning;
CREATE CAST (caseless AS text) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE FUNCTION caseless_eq(caseless, caseless) RETURNS boolean IMMUTABLE
LANGUAGE sql AS 'SELECT lower($1::text) = lower($2::text)';
CREATE FUNCTION caseless_hash(caseless) RETURNS int IMMUTABLE
LANGUAGE sql AS 'SELECT hashtext(lower($1::text))';
CREATE OPERATOR = (LEFTARG = caseless, RIGHTARG = caseless, FUNCTION = caseless_eq);
CREATE OPERATOR CLASS caseless_ops DEFAULT FOR TYPE caseless
USING hash AS OPERATOR 1 =, FUNCTION 1 caseless_hash(caseless);

-- one column of every such type, and some that are features
CREATE TABLE unusable AS
SELECT i % 2 AS label, i AS x, now() AS at, now()::moment AS "Later", '{a}'::text[] AS tags,
       date '2026-01-01' AS day, '1'::money AS price, interval '1 day' AS span,
       'a'::caseless AS word, '[1,2]'::int4range AS range, ROW(i)::pair AS pair, '(1,2)'::point AS place,
       'a'::text AS fine FROM generate_series(1, 20) i;
\x on
SELECT * FROM raised('SELECT ctr_train(u) FROM unusable u');
SELECT *
FROM raised('SELECT ctr_train(u, ctr_fit(categorical => ''{day,place,at}'', numerical => ''{fine}'', ignore '
            '=> ''{Later,tags,price,span,word,range,pair}'')) FROM unusable u');
SELECT * FROM raised('SELECT ctr_predict(model, r) FROM of_visits, (SELECT now() AS day) r');
SELECT * FROM raised('SELECT ctr_predict(model, r) FROM of_visits, (SELECT ''a''::caseless AS day) r');
\x off
SELECT message
FROM raised('SELECT ctr_train(u, quick(''{"categorical": ["day", "place"], "ignore": ["at", "Later", "tags", '
            '"price", "span", "word", "range", "pair"]}'')) FROM unusable u');

-- so are texts that their collation takes for equal, where PostgreSQL has ICU's
DO $$ BEGIN
    CREATE COLLATION careless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE collated AS SELECT i % 2 AS label, 'a' COLLATE careless AS word, 'b' COLLATE "C" AS fine
                             FROM generate_series(1, 20) i;
EXCEPTION WHEN feature_not_supported THEN
    CREATE TABLE collated AS SELECT i % 2 AS label, 'a'::caseless AS word FROM generate_series(1, 20) i;
END $$;
SELECT state, replace(message, 'caseless', 'text') AS message
FROM raised('SELECT ctr_train(c) FROM collated c');

-- labels: one that is not there, and words
\x on
SELECT * FROM raised('SELECT ctr_train(r) FROM (SELECT 1 AS clicked, 2 AS price) r');
SELECT * FROM raised('SELECT ctr_train(r) FROM (SELECT 1 AS labels, 2 AS price) r');
SELECT *
FROM raised('SELECT ctr_train(r, ctr_fit(label => ''clickd'')) FROM (SELECT 1 AS clicked, 2 AS "Price") r');
SELECT right(detail, 30) AS detail
FROM raised((SELECT 'SELECT ctr_train(r) FROM (SELECT ' || string_agg('1 AS c' || i, ', ') || ') r'
             FROM generate_series(1, 30) i));
\x off
SELECT word, message, hint
FROM unnest(ARRAY['yes', 'no', 't', 'f', 'N', 'click', 'it''s', '', '1 0']) word,
     raised(format('SELECT ctr_train(r, ctr_fit(label => ''Answer'')) '
                   'FROM (SELECT %L::text AS "Answer", 1 AS x) r', word));
SELECT * FROM raised('SELECT ctr_train(r) FROM (SELECT ''glad''::mood AS label, 1 AS x) r');
SELECT message, hint
FROM raised('SELECT ctr_train(r, ''{"n_classes": 3}'') FROM (SELECT ''red'' AS label, 1 AS x) r');

SET client_min_messages = error;
DROP SCHEMA types CASCADE;
