-- trainings alike give models that are equal: the digest leaves nothing out but the seconds, whose form is
-- strict
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/forge.psql

CREATE TABLE rows AS
SELECT (i * 7919 % 100 < 30)::int AS label, i % 7 AS x, 'c' || i % 5 AS c FROM generate_series(1, 300) i;
CREATE FUNCTION trained(seed int) RETURNS ctr_model LANGUAGE sql AS
$$ SELECT ctr_train(r, ctr_fit(epochs => 3, patience => 0, seed => $1,
                               min_count => 1) || '{"mlp_layers": [4]}') FROM rows r $$;
CREATE TABLE models AS SELECT seed, trained(seed) AS model FROM unnest('{1,1,1,2}'::int[]) seed;

-- whatever the clock said: the same model with other seconds
CREATE FUNCTION seconds(file bytea) RETURNS text LANGUAGE sql
AS $$ SELECT header(file)::jsonb->'__metadata__'->>'epoch_seconds' $$;
CREATE FUNCTION with_seconds(file bytea, seconds text) RETURNS bytea LANGUAGE sql AS
$$ SELECT file(replace(header(file), '"epoch_seconds":"' || seconds(file) || '"',
                       '"epoch_seconds":"' || $2 || '"'), data(file)) $$;

SELECT a.seed, b.seed, a.model = b.model AS equal, a.model <> b.model AS differ,
       ctr_model_hash(a.model) = ctr_model_hash(b.model) AS hash,
       ctr_model_hash_extended(a.model, 5) = ctr_model_hash_extended(b.model, 5) AS salted, count(*)
FROM models a, models b WHERE a.ctid < b.ctid GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2;
SELECT model = other AS equal, model::bytea = other::bytea AS same_bytes,
       (SELECT sum(seconds) FROM ctr_history(other)) AS seconds
FROM (SELECT model, with_seconds(model::bytea,
                                 '[        1.000000,123456789.250000,        0.500000]')::ctr_model AS other
                                 FROM models LIMIT 1) m;
SELECT count(*) AS groups, max(n) AS largest FROM (SELECT count(*) AS n FROM models GROUP BY model) g;

-- the same length, but not the form that ctr writes
CREATE FUNCTION attempt(file bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM file::ctr_model;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT s AS seconds, attempt(with_seconds(model::bytea, s))
FROM (SELECT model FROM models LIMIT 1) m, unnest(ARRAY[
    '[        1.000000,        2.000000,        3.000000]',
    '[000000001.000000,        2.000000,        3.000000]',
    '[1.000000        ,        2.000000,        3.000000]',
    '[        1.000000         2.000000         3.000000]',
    '[        1.000000,        2.000000,        3.000000.',
    '[        1.000000,        2.00000 ,        3.000000]',
    '[        1.000000,        2.0000a0,        3.000000]',
    '[        1.000000,        -.000000,        3.000000]',
    '[        1.000000,        2.000000,    \u0020   3.0]']) s;

-- another number of epochs changes what is covered
SELECT attempt(with_seconds(model::bytea, '[        1.000000,        2.000000]')),
       attempt(signed(with_seconds(model::bytea, '[        1.000000,        2.000000]'))) AS signed
       FROM models LIMIT 1;

-- the seconds stand second, or nowhere
SELECT attempt(changed(model::bytea, '"epoch_seconds"', '"epoch_sekonds"')) FROM models LIMIT 1;
SELECT attempt(changed(model::bytea, '"epoch_seconds":"' || seconds(model::bytea) || '","trained_at"',
                       '"epoch_sekonds":"","epoch_seconds":"' || seconds(model::bytea) || '","trained_at"'))
                       FROM models LIMIT 1;

-- the time of the training is left out likewise: it stands third, in its form, or is not there
SELECT abs(extract(epoch FROM now() - (ctr_config(model)->>'trained_at')::timestamptz)) < 600 AS just_now FROM models LIMIT 1;
CREATE FUNCTION with_time(file bytea, entry text) RETURNS bytea LANGUAGE sql AS
$$ SELECT file(regexp_replace(header(file), '"trained_at":"[^"]*",', $2), data(file)) $$;
SELECT model = other AS equal, ctr_config(other)->>'trained_at' AS trained_at, ctr_describe(other) ~ ' 1999-12-31$' AS described,
       ctr_report(other) ~ 'on 1999-12-31, 23:59 UTC' AS reported
FROM (SELECT model, with_time(model::bytea, '"trained_at":"1999-12-31T23:59:58Z",')::ctr_model AS other FROM models LIMIT 1) m;
SELECT ctr_config(other)->'trained_at' AS none, ctr_describe(other) ~ '\d\d-\d\d$' AS described, ctr_report(other) ~ 'UTC' AS reported
FROM (SELECT signed(with_time(model::bytea, ''))::ctr_model AS other FROM models LIMIT 1) m;
SELECT t AS time, attempt(with_time(model::bytea, '"trained_at":"' || t || '",')),
       attempt(signed(with_time(model::bytea, '"trained_at":"' || t || '",'))) AS signed
FROM (SELECT model FROM models LIMIT 1) m, unnest(ARRAY[
    '2026-02-31T00:00:00Z', '2026-13-01T00:00:00Z', '2026-00-10T00:00:00Z', '2026-01-01T24:00:00Z', '0000-01-01T00:00:00Z',
    '2026-01-01 00:00:00Z', '2026-1-01T00:00:00.0Z', '', '12026-01-01T00:00:00Z']) t;

DROP TABLE rows, models;
DROP FUNCTION trained, seconds, with_seconds, with_time, attempt, changed, overwritten, signed, file, data, header,
header_size, little_endian;
