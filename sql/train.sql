-- ctr_train: what it takes, what it does, what it refuses
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;

\i sql/clicks.psql
\i sql/try.psql
\pset null '-'

-- it has learned the cross
SELECT auc > 0.75 AS learned, rows FROM models, LATERAL (SELECT (ctr_evaluate(model, c)).* FROM clicks c) e
WHERE name = 'fit';
SELECT f.name, f.kind, f.categories, f.missing > 0 AS missing FROM models m, ctr_features(m.model) f
WHERE m.name = 'fit' ORDER BY f.position;

-- the same rows, options and seed: the same tensors, whatever the number of threads; another seed: others
CREATE FUNCTION trained(options jsonb) RETURNS ctr_model LANGUAGE sql AS
$$ SELECT ctr_train(c, '{"epochs": 2, "ignore": ["id"]}' || options) FROM clicks c $$;
CREATE FUNCTION tensors(ctr_model) RETURNS text LANGUAGE sql AS
$$ SELECT md5(string_agg(t.name || coalesce(ctr_tensor($1, t.name)::text, ''), ' ' ORDER BY t.name))
   FROM ctr_tensors($1) t $$;
SELECT tensors(trained('{}')) = tensors(trained('{}')) AS same,
       tensors(trained('{"threads": 1}')) = tensors(trained('{"threads": 3}')) AS same_with_threads,
       tensors(trained('{"seed": 1}')) = tensors(trained('{"seed": 2}')) AS same_with_seed;

-- every variant trains and scores
SELECT cross_type, stacked, bool_and(p BETWEEN 0 AND 1) AS probabilities, count(DISTINCT p) > 3 AS vary
FROM (SELECT cross_type, stacked,
             trained(ctr_deepcross(cross_type => cross_type, stacked => stacked, low_rank => 4)) AS model
      FROM unnest('{matrix,vector,mix}'::text[]) cross_type,
           unnest('{true,false}'::bool[]) stacked OFFSET 0) m,
     LATERAL (SELECT ctr_predict(model, c) AS p FROM clicks c LIMIT 50) s
GROUP BY 1, 2 ORDER BY 1, 2;

-- both recipes, every transform, schedules, numbers only, categories only, no crosses
SELECT o::text, ctr_predict(trained(o), ROW(1, 0, 'a', 'x', 3)::clicks) BETWEEN 0 AND 1 AS ok
FROM unnest(ARRAY[ctr_fit(recipe => 'reference'), ctr_fit(numerical_transform => 'standard'),
    ctr_fit(numerical_transform => 'log'), ctr_fit(numerical_transform => 'none'),
    ctr_fit(lr_schedule => 'cosine'),
    ctr_fit(lr_schedule => 'plateau'), ctr_fit(monitor => 'val_loss'), ctr_fit(validation => 0),
    ctr_fit(ignore => '{id,city,device}'), ctr_fit(ignore => '{id,price}'), ctr_deepcross(n_cross => 0),
    ctr_fit(batch_size => 100000), ctr_fit(batch_size => 1599), ctr_fit(batch_size => 533)]) o;

-- what a row's columns may be
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN score AS int CHECK (VALUE >= 0);
CREATE TABLE types AS
SELECT i % 2 = 0 AS label, i::int2 AS i2, i AS i4, i::int8 AS i8, i::float4 AS f4, i::float8 AS f8,
       i::numeric AS n, i::score AS d,
       i % 3 = 0 AS b, (i % 3)::text AS t, (i % 4)::varchar AS v, (i % 2)::char(5) AS c,
       (i % 5)::text::"char" AS q,
       (enum_range(NULL::mood))[1 + i % 3] AS e, ('00000000-0000-0000-0000-00000000000' || i % 10)::uuid AS u,
       i % 7 AS code
FROM generate_series(1, 300) i;
ALTER TABLE types ADD COLUMN gone jsonb, ADD COLUMN late text DEFAULT 'z';
ALTER TABLE types DROP COLUMN gone;
SELECT f.*
FROM (SELECT ctr_train(x, ctr_fit(epochs => 1, min_count => 1, validation => 0, categorical => '{code}'))
             AS model FROM types x) m,
     LATERAL (SELECT position, name, kind, categories, missing FROM ctr_features(model)) f;
SELECT ctr_predict(ctr_train(x, ctr_fit(epochs => 1, numerical => '{b}')),
                   (SELECT x FROM types x LIMIT 1)) BETWEEN 0 AND 1 AS boolean_as_number FROM types x;

-- a validation column, a label of another name, a sub-select, one model per group
SELECT (ctr_config(model)->'rows'->>'training')::int AS train,
       (ctr_config(model)->'rows'->>'validation')::int AS validation
FROM (SELECT ctr_train(c, ctr_fit(epochs => 1, label => 'y', validation_column => 'late', ignore => '{id}'))
             AS model
      FROM (SELECT id, label AS y, city, price, id > 1500 AS late FROM clicks) c) m;
SELECT city, ctr_predict(ctr_train(c, ctr_fit(epochs => 1, ignore => '{id}')),
                         (SELECT c FROM clicks c LIMIT 1)) BETWEEN 0 AND 1 AS ok
FROM clicks c GROUP BY city ORDER BY city;
SELECT ctr_predict(ctr_train(c, ctr_fit(epochs => 1)) FILTER (WHERE id > 1000),
                   (SELECT c FROM clicks c LIMIT 1)) BETWEEN 0 AND 1 AS ok FROM clicks c;

-- odd rows that are no error: all NULL, constant, NaN, infinities, huge and long values, two rows
CREATE FUNCTION odd(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE model ctr_model; ok boolean;
BEGIN
    EXECUTE format('SELECT ctr_train(t, ''{"epochs": 1, "min_count": 1}'') FROM (%s) t', query) INTO model;
    EXECUTE format('SELECT bool_and(ctr_predict($1, t) BETWEEN 0 AND 1) FROM (%s) t', query) INTO ok
    USING model;
    RETURN ok;
END $$;

-- each trains and scores
SELECT odd('SELECT i % 2 AS label, NULL::int AS x, NULL::text AS c '
           'FROM generate_series(1, 40) i') AS all_null,
       odd('SELECT i % 2 AS label, 7 AS x, ''k''::text AS c FROM generate_series(1, 40) i') AS constant,
       odd('SELECT i % 2 AS label, (ARRAY[''NaN'', ''Infinity'', ''-Infinity'', 1, 2]::float8[])[1 + i % 5] '
           'AS x FROM generate_series(1, 40) i') AS not_finite,
       odd('SELECT i % 2 AS label, CASE WHEN i % 3 = 0 THEN 1e308 ELSE -1e308 END AS x '
           'FROM generate_series(1, 40) i') AS huge,
       odd('SELECT i % 2 AS label, repeat((i % 3)::text, 1000000) AS c '
           'FROM generate_series(1, 6) i') AS long_category,
       odd('SELECT i % 2 AS label, '''' AS empty, i AS x FROM generate_series(1, 40) i') AS empty_string,
       odd('SELECT 1 AS label, 1 AS x UNION ALL SELECT 0, 2 UNION ALL SELECT 0, 3 UNION ALL SELECT 1, 4 '
           'UNION ALL SELECT 1, 5') AS five_rows;

-- errors
SELECT q.i, e.* FROM (VALUES
 (1, 'SELECT ctr_train(c) FROM clicks c WHERE false'),
 (2, 'SELECT ctr_train(c) FROM (SELECT NULL::int AS label, 1 AS x FROM generate_series(1, 5)) c'),
 (3, 'SELECT ctr_train(c) FROM (SELECT 1 AS label, i AS x FROM generate_series(1, 50) i) c'),
 (4, 'SELECT ctr_train(c) FROM (SELECT i % 3 AS label, i AS x FROM generate_series(1, 50) i) c'),
 (5, 'SELECT ctr_train(c) FROM (SELECT -(i % 2) AS label, i AS x FROM generate_series(1, 50) i) c'),
 (6, 'SELECT ctr_train(c) FROM (SELECT 0.5 AS label, i AS x FROM generate_series(1, 50) i) c'),
 (7, 'SELECT ctr_train(c) FROM (SELECT ''x''::text AS label, i AS x FROM generate_series(1, 50) i) c'),
 (8, 'SELECT ctr_train(c) FROM (SELECT 1 AS label, 2 AS x) c'),
 (9, 'SELECT ctr_train(c) FROM (SELECT i % 2 AS y, i AS x FROM generate_series(1, 50) i) c'),
 (10, 'SELECT ctr_train(c, ctr_fit(categorical => ''{cyti}'')) FROM clicks c'),
 (11, 'SELECT ctr_train(c) FROM (SELECT 1 AS label, 2 AS x, 3 AS x) c'),
 (12, 'SELECT ctr_train(c) FROM (SELECT 1 AS label, now() AS at, 3 AS x) c'),
 (13, 'SELECT ctr_train(c) FROM (SELECT 1 AS label, ''{}''::jsonb AS j, ARRAY[1] AS a) c'),
 (14, 'SELECT ctr_train(c) FROM (SELECT i % 2 AS label FROM generate_series(1, 50) i) c'),
 (15, 'SELECT ctr_train(c, ctr_fit(ignore => ''{id}'', numerical => ''{city}'')) FROM clicks c'),
 (16, 'SELECT ctr_train(c, ctr_fit(numerical => ''{price}'', categorical => ''{price}'')) FROM clicks c'),
 (17, 'SELECT ctr_train(c, ctr_fit(validation_column => ''late'')) FROM clicks c'),
 (18, 'SELECT ctr_train(c, jsonb_build_object(''epochs'', 1 + id % 2)) FROM clicks c'),
 (19, 'SELECT ctr_train(c, ctr_fit(categorical => ''{CITY}'')) FROM clicks c'),
 (20, 'SELECT ctr_train(c) OVER () FROM clicks c'),
 (21, 'SELECT ctr_train(1) FROM clicks'),
 (22, 'SELECT ctr_train(CASE WHEN i % 2 = 0 THEN (SELECT r FROM (SELECT 0 AS label, i AS x) r) '
      'ELSE (SELECT r FROM (SELECT 1 AS label, i::text AS x) r) END) FROM generate_series(1, 4) i'),
 (23, 'SELECT ctr_train(c, ctr_fit(validation_column => ''v'')) '
      'FROM (SELECT i % 2 AS label, i AS x, true AS v FROM generate_series(1, 50) i) c'),
 (24, 'SELECT ctr_train(c, ctr_deepcross(n_cross => 16) '
      '|| ctr_fit(validation => 0, epochs => 1, learning_rate => 10)) '
      'FROM (SELECT i % 2 AS label, i % 97 AS x, (i % 7)::text AS a, (i % 89)::text AS d '
      'FROM generate_series(1, 400) i) c'),
 (25, 'SELECT ctr_train(c, ctr_deepcross(n_cross => 16) || ctr_fit(epochs => 1, learning_rate => 10)) '
      'FROM (SELECT i % 2 AS label, i % 97 AS x, (i % 7)::text AS a, (i % 89)::text AS d '
      'FROM generate_series(1, 400) i) c')
) q(i, query), try(query) e ORDER BY 1;

-- 1,500 columns
DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE wide AS SELECT i % 2 AS label, '
                            || string_agg(format('i %% %s AS x%s', k + 1, k), ', ')
    || ' FROM generate_series(1, 60) i' FROM generate_series(1, 1500) k); END $$;
SET client_min_messages = warning;
SELECT ctr_predict(ctr_train(w, ctr_fit(epochs => 1, validation => 0)),
                   (SELECT w FROM wide w LIMIT 1)) BETWEEN 0 AND 1 AS wide FROM wide w;
SET client_min_messages = error;

-- a hash table of groups that is read again has its models still; NULL records are no rows, wherever they
-- come
SET enable_sort = off;
SELECT (SELECT octet_length(model::bytea) > 0
        FROM (SELECT price > 500 AS dear, ctr_train(c, ctr_fit(epochs => 1, ignore => '{id}')) AS model
              FROM clicks c GROUP BY 1 OFFSET 0) s
        WHERE s.dear = o.dear) AS again
FROM (VALUES (true), (false)) o (dear);
RESET enable_sort;
SELECT ctr_config(ctr_train(CASE WHEN id > 100 THEN c END, ctr_fit(epochs => 1, ignore => '{id}')
                            ORDER BY id)) -> 'rows' AS first,
       ctr_config(ctr_train(CASE WHEN id > 100 THEN c END, ctr_fit(epochs => 1, ignore => '{id}')
                            ORDER BY id DESC)) -> 'rows' AS last FROM clicks c;
SELECT message FROM try('SELECT ctr_train(CASE WHEN false THEN c END) FROM clicks c');

-- a model that would pass 1 GB is refused before training
SELECT state, message, hint
FROM try('SELECT ctr_train(c, ctr_fibinet(d_embed => 1024) || ctr_fit(min_count => 1, epochs => 1))
    FROM (SELECT i % 2 AS label, i::text AS k FROM generate_series(1, 400000) i) c');
DROP FUNCTION trained, tensors, odd;
DROP TABLE types, wide;
