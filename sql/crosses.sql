-- The option "crosses": pairs of categorical columns as categories
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/try.psql
\pset null '-'
CREATE SCHEMA crosses;
SET search_path = crosses, public;
SET ctr.max_threads = 2;

-- The label depends on the pair of shop and visitor, and on neither alone; a little on the device alone.
CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
CREATE FUNCTION visits(n int, seed int)
RETURNS TABLE (label int, age float8, device text, shop text, region text, visitor text, day int)
LANGUAGE sql AS $$
    SELECT (uniform(i, seed) < 1 / (1 + exp(-(likes + device / 2.0))))::int, 80 * uniform(i, seed + 1),
           nullif('d' || device, 'd3'), 's' || shop, 'r' || shop % 4, nullif('v' || visitor, 'v7'), i % 7
    FROM generate_series(1, n) i,
         LATERAL (SELECT floor(25 * uniform(i, seed + 2))::int AS shop,
                         floor(20 * uniform(i, seed + 3))::int AS visitor,
                         floor(4 * uniform(i, seed + 4))::int AS device) v,
         LATERAL (SELECT CASE WHEN uniform(100 * shop + visitor, 1) < 0.5 THEN -2 ELSE 1 END AS likes) l
$$;
CREATE TABLE train AS SELECT * FROM visits(16000, 10);
CREATE TABLE test AS SELECT * FROM visits(4000, 30);
CREATE FUNCTION trained(options jsonb DEFAULT '{}') RETURNS ctr_model LANGUAGE sql AS $$
    SELECT ctr_train(t, ctr_fit(epochs => 2) || '{"mlp_layers": [16]}' || options) FROM train t $$;

-- auto finds the pair, first; the others say nothing besides
CREATE TABLE models AS
SELECT name, trained(options) AS model
FROM (VALUES ('none', '{"crosses": "none"}'::jsonb), ('auto', '{"crosses": "auto"}'),
             ('by hand', '{"crosses": [["visitor", "shop"]]}'),
             ('two', '{"crosses": [["device", "shop"], ["visitor", "shop"]]}'),
             ('FiBiNET', '{"architecture": "fibinet", "d_embed": 4, "crosses": "auto"}'),
             ('reference', '{"recipe": "reference", "crosses": "auto", "epochs": 2}'),
             ('three classes', '{"n_classes": 3, "crosses": [["shop", "visitor"]]}')) o (name, options);
SELECT name, ctr_config(model) #> '{options,crosses}' AS asked, ctr_config(model) #> '{inputs,crosses}' AS has
FROM models ORDER BY name;
SELECT m.name, f.position, f.name, f.kind, f.categories > 400 AS many, f.missing, f.columns
FROM models m, ctr_features(m.model) f WHERE kind = 'cross' ORDER BY m.name, position;
SELECT f.position, f.name, f.kind, f.columns FROM models m, ctr_features(m.model) f WHERE m.name = 'auto';
SELECT name, ctr_config(model) #> '{inputs,derived_categorical}' AS categorical,
       ctr_config(model) #> '{inputs,derived_numerical}' AS numerical
FROM models WHERE name IN ('auto', 'FiBiNET') ORDER BY name;
CREATE TABLE measured AS
SELECT name, (SELECT (ctr_evaluate(model, t)).auc FROM test t) AS auc FROM models WHERE name NOT IN ('three classes', 'reference');
SELECT name, auc > 0.72 AS finds, auc < 0.68 AS lacks FROM measured ORDER BY name;

-- The order of a pair's columns does not matter, and nothing else does when the same pair is chosen.
SELECT count(DISTINCT ctr_state_dict(model)) FROM models WHERE name IN ('auto', 'by hand');

-- The categories of a pair are those of a column with the values of both as text. Its statistic is by how much the
-- category's log odds differ from what the statistics of the columns add up to, as if 8 rows had been so.
CREATE VIEW worded AS SELECT *, shop || ' ' || coalesce(visitor, '?') AS words FROM train;
CREATE TABLE alike AS
SELECT (SELECT ctr_train(w, o || '{"crosses": [["shop", "visitor"]], "ignore": ["words"]}') FROM worded w) AS crossed,
       (SELECT ctr_train(w, o) FROM worded w) AS worded
FROM (SELECT ctr_fit(epochs => 1, validation => 0) || '{"mlp_layers": [4]}' AS o) o;
SELECT ctr_config(crossed) #>> '{inputs,categories,-1}' = ctr_config(worded) #>> '{inputs,categories,4}' AS as_many,
       (SELECT count(*) = (SELECT count(DISTINCT words) FROM worded)
        FROM (SELECT DISTINCT words, x_cat[7] FROM worded w, ctr_encode(crossed, w)) c) AS the_same
FROM alike;
SELECT count(*) > 400 AS pairs, max(abs(statistic - ln((positive + 8 * share) / (negative + 8 * (1 - share)) /
                                                      (share / (1 - share))))) < 1e-4 AS as_said
FROM (SELECT statistic, positive, negative, 1 / (1 + exp(-(ln(average) + a + b))) AS share
      FROM (SELECT e.x_num[4] AS a, e.x_num[6] AS b, e.x_num[9] AS statistic, sum(label) AS positive,
                   sum(1 - label) AS negative
            FROM train t, alike, ctr_encode(crossed, t) e GROUP BY shop, visitor, 1, 2, 3) p,
           (SELECT (sum(label) + 0.5) / (sum(1 - label) + 0.5) AS average FROM train) o) s;

-- known; of missing values; rare; with a member that training has not seen
CREATE TABLE few AS
SELECT i % 2 AS label, CASE WHEN i <= 10 THEN 'a' WHEN i <= 20 THEN 'b' ELSE 'c' END AS x,
       CASE WHEN i % 10 = 0 THEN 'rare' WHEN i % 3 = 0 THEN NULL ELSE 'v' END AS y FROM generate_series(1, 30) i;
INSERT INTO few SELECT i % 2, NULL, NULL FROM generate_series(1, 8) i;
CREATE TABLE small AS
SELECT ctr_train(f, ctr_fit(epochs => 1, validation => 0, min_count => 3, crosses => '[["x", "y"]]') ||
                    '{"mlp_layers": [2]}') AS model FROM few f;
SELECT x, y, (ctr_encode(model, r)).x_cat
FROM small, (VALUES ('a', 'v'), ('b', NULL), (NULL, 'v'), (NULL, NULL), ('a', 'rare'), ('a', 'new'), ('new', 'v')) r (x, y);

-- How often a row's pair occurs in other rows is an input where that tells something, as here, where who liked it comes
-- again: half the logarithm of that number plus one. A scored row is another one. The average of the inputs is that of
-- the training's rows, none of which counts itself. Rows that chance holds back are counted, those of a validation_column
-- are not.
CREATE TABLE visited AS SELECT *, age > 4 AS held FROM train, generate_series(0, 2 * label)
WHERE visitor IS NOT NULL AND age < 5;
ALTER TABLE visited DROP generate_series;
CREATE TABLE counting AS
SELECT name, (SELECT ctr_train(v, ctr_fit(epochs => 1, crosses => '[["shop", "visitor"]]', ignore => '{held}') ||
                                  '{"mlp_layers": [2]}' || options) FROM visited v) AS model, held
FROM (VALUES ('all', '{"validation": 0}'::jsonb, true), ('chance', '{"validation": 0.3}', true),
             ('FiBiNET', '{"validation": 0, "architecture": "fibinet", "d_embed": 2}', true),
             ('column', '{"validation_column": "held", "ignore": []}', false)) o (name, options, held);
CREATE FUNCTION count_of(rows bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT ln(coalesce(rows, 0) + 1) / 2 $$;
WITH counted AS (SELECT c.name, v.shop, v.visitor, count(*) AS rows FROM counting c, visited v
                 WHERE c.held OR NOT v.held GROUP BY 1, 2, 3),
scored AS (SELECT c.name, t.shop, t.visitor, (ctr_encode(c.model, v)).x_num AS x, r.rows
           FROM counting c CROSS JOIN (SELECT DISTINCT ON (shop, visitor) * FROM train WHERE visitor IS NOT NULL
                                       ORDER BY shop, visitor, age) t CROSS JOIN LATERAL (SELECT t.*, false AS held) v
                LEFT JOIN counted r ON r.name = c.name AND r.shop = t.shop AND r.visitor = t.visitor)
SELECT c.name, ctr_config(c.model) #> '{inputs,derived_numerical,-1}' AS input,
       (SELECT max(abs(s.x[array_length(s.x, 1)] - count_of(s.rows))) < 1e-6 FROM scored s WHERE s.name = c.name) AS scored,
       (SELECT count(*) FILTER (WHERE s.rows IS NULL) > 5 AND count(*) FILTER (WHERE s.rows < 3) > 0 FROM scored s
        WHERE s.name = c.name) AS some_rare,
       abs((SELECT sum(r.rows * count_of(r.rows - 1)) / sum(r.rows) FROM counted r WHERE r.name = c.name) -
           (ctr_tensor(c.model, 'ctr.average.inputs'))[(ctr_config(c.model) #>> '{inputs,d_numerical}')::int]) <
           CASE WHEN c.name = 'chance' THEN 0.05 ELSE 1e-5 END AS average
FROM counting c ORDER BY 1;

-- every way to score says the same
CREATE TABLE scores AS
SELECT m.name, t.ctid AS row, ctr_predict(m.model, t) AS by_columns, ctr_predict(m.model, r) AS by_record,
       ctr_predict_batch(m.model, t) OVER (PARTITION BY m.name) AS in_blocks
FROM models m, test t, LATERAL (SELECT t.shop, t.visitor, t.device, t.region, t.day, t.age) r
WHERE m.name <> 'three classes';
SELECT name, count(*), max(abs(by_columns - by_record)) = 0 AS records, max(abs(by_columns - in_blocks)) < 1e-5 AS blocks
FROM scores GROUP BY name ORDER BY name;
SELECT count(*) FROM models m, test t
WHERE m.name = 'auto' AND ctr_predict(m.model, t) <>
    ctr_predict(m.model::bytea::ctr_model, (t.label, t.age, t.device, t.shop, t.region, t.visitor, t.day)::test);

-- the same bytes in any order of the rows, for any threads and memory
CREATE TABLE again (name text, model ctr_model);
SET ctr.threads = 1;
INSERT INTO again SELECT 'one thread', trained('{"crosses": "auto"}');
SET ctr.threads = 2;
SET maintenance_work_mem = '1MB';
INSERT INTO again SELECT 'little memory', trained('{"crosses": "auto"}');
RESET maintenance_work_mem;
INSERT INTO again
SELECT 'another order', ctr_train(t, ctr_fit(epochs => 2, crosses => 'auto') || '{"mlp_layers": [16]}')
FROM (SELECT * FROM train ORDER BY age) t;
SELECT a.name, a.model = m.model AS same FROM again a, models m WHERE m.name = 'auto' ORDER BY 1;

-- groups choose by themselves
SELECT kind, ctr_config(ctr_train(t, ctr_fit(epochs => 1, crosses => 'auto', label => 'label') || '{"mlp_layers": [2]}'))
    #> '{inputs,crosses}' AS crosses
FROM (SELECT 'shops' AS kind, label, device AS a, shop AS b, visitor AS c FROM train
      UNION ALL SELECT 'devices', label, shop, visitor, device FROM train) t GROUP BY kind ORDER BY kind;

-- going on keeps them, and learns new pairs
CREATE TABLE further AS
SELECT (SELECT ctr_train(t, '{"epochs": 1}', model) FROM test t) AS model FROM models WHERE name = 'auto';
SELECT ctr_config(f.model) #> '{inputs,crosses}' AS crosses,
       ctr_config(f.model) #> '{inputs,categories,-1}' >= ctr_config(m.model) #> '{inputs,categories,-1}' AS more,
       (SELECT (ctr_evaluate(f.model, t)).auc FROM test t) > 0.72 AS good
FROM further f, models m WHERE m.name = 'auto';
-- counts of rows add up: twice the same rows
WITH once AS MATERIALIZED (SELECT trained('{"crosses": [["device", "shop"], ["visitor", "shop"]], "validation": 0}') AS model),
twice AS MATERIALIZED (SELECT (SELECT ctr_train(t, '{"epochs": 1}', model) FROM train t) AS model FROM once)
SELECT (SELECT array_agg(2 * n) FROM unnest(ctr_tensor(o.model, 'ctr.crosses.frequency')) n) =
    ctr_tensor(t.model, 'ctr.crosses.frequency')::float8[] AS twice_as_many FROM once o, twice t;
SELECT (SELECT ctr_train(t, '{"crosses": "none"}', model) FROM test t) FROM models WHERE name = 'auto';
SELECT (SELECT ctr_train(t, '{"crosses": "auto"}', model) FROM test t) FROM models WHERE name = 'none';
SELECT (SELECT ctr_train(t, '{"crosses": "auto", "epochs": 1}', model) FROM test t) IS NOT NULL AS same
FROM models WHERE name = 'auto';

-- what the option may be
SELECT ctr_fit(crosses => 'auto') AS auto, ctr_fit(crosses => 'none') AS none, ctr_fit(crosses => '[["a", "b"]]') AS pairs,
       ctr_fit(crosses => '[]') AS no_pairs;
\set VERBOSITY default
SELECT ctr_fit(crosses => 'autom');
SELECT ctr_fit(crosses => '["a", "b"]');
SELECT ctr_fit(crosses => '[["a", "b", "c"]]');
SELECT ctr_fit(crosses => '[["a", ""]]');
SELECT ctr_fit(crosses => '[["a", "a"]]');
SELECT ctr_fit(crosses => '[["a", "b"], ["a", "c"], ["b", "a"]]');
SELECT ctr_options('{"crosses": true}');
SELECT ctr_options(jsonb_build_object('crosses', (SELECT jsonb_agg(jsonb_build_array('a', i)) FROM generate_series(1, 3) i)));
SELECT count(ctr_options(jsonb_build_object('crosses', (SELECT jsonb_agg(jsonb_build_array('a', 'b' || i))
                                                       FROM generate_series(1, 101) i))));
SELECT ctr_options('{"crosses": "auto", "n_classes": 3}');
SELECT trained('{"crosses": [["shop", "visiter"]]}');
SELECT trained('{"crosses": [["shop", "age"]]}');
SELECT trained('{"crosses": [["shop", "label"]]}');
SELECT trained('{"crosses": [["shop", "device"]], "ignore": ["device"]}');
\set VERBOSITY terse
-- a number that is listed as a category may be paired
SELECT ctr_config(trained('{"crosses": [["day", "shop"]], "categorical": ["day"]}')) #> '{inputs,crosses}' AS day;

-- where there is nothing to pair
SELECT ctr_config(ctr_train(t, ctr_fit(crosses => 'auto', epochs => 1, ignore => '{shop,region,visitor}')))
    #> '{inputs,crosses}' AS one_column FROM train t;
SELECT ctr_config(ctr_train(t, ctr_fit(crosses => 'auto', epochs => 1)))
    #> '{inputs,crosses}' AS constant FROM (SELECT label, 'a' AS a, 'b' AS b, NULL::text AS c FROM train) t;
SELECT ctr_config(ctr_train(t, ctr_fit(crosses => 'auto', epochs => 1)))
    #> '{inputs,crosses}' AS few_rows FROM (SELECT * FROM train LIMIT 20) t;
SELECT ctr_train(t, ctr_fit(crosses => 'auto', validation_column => 'held')) FROM (SELECT *, true AS held FROM train) t;
SELECT ctr_train(t, ctr_fit(crosses => 'auto', epochs => 1)) FROM (SELECT * FROM train WHERE label = 1) t;
SELECT ctr_config(ctr_train(t, ctr_fit(crosses => 'auto', epochs => 1, weight => 'weight') || '{"mlp_layers": [2]}'))
    #> '{inputs,crosses}' AS weight, weight AS of
FROM (SELECT t.*, w AS weight FROM train t, unnest('{1e-30, 1, 1e28}'::float8[]) w) t GROUP BY weight ORDER BY 2;
SELECT ctr_config(ctr_train(t, ctr_fit(crosses => '[]', epochs => 1)))
    #> '{inputs,crosses}' AS no_pairs FROM (SELECT * FROM train LIMIT 100) t;
-- FiBiNET pairs its fields with one another, so crosses are none of them: the network has their statistics and counts.
-- Without statistics they are fields. ctr_encode and the configuration show what the network sees.
CREATE TABLE apart AS SELECT name, model FROM models WHERE name = 'FiBiNET';
INSERT INTO apart VALUES ('few rows', (SELECT ctr_train(t, '{"architecture": "fibinet", "mlp_layers": [8], "epochs": 1, "cross_counts": false,
    "crosses": [["shop", "visitor"]]}') FROM (SELECT * FROM train LIMIT 4000) t)),
    ('no statistics', (SELECT ctr_train(t, '{"architecture": "fibinet", "mlp_layers": [8], "epochs": 1, "target_statistics": false,
    "crosses": [["shop", "visitor"]]}') FROM (SELECT * FROM train LIMIT 4000) t)),
    ('rare', (SELECT ctr_train(t, '{"architecture": "fibinet", "mlp_layers": [8], "max_seconds": 1e-9, "crosses": [["shop", "visitor"]], "ignore": ["age", "day"]}')
              FROM (SELECT *, 'k' || row_number() OVER () % 5000 AS k FROM train) t));
SELECT name, ctr_config(model)->'inputs'->'derived_numerical' AS numerical FROM apart WHERE name = 'rare';
SELECT name, jsonb_array_length(c->'inputs'->'categories') AS fields, cardinality(x_cat) AS codes, (c->'inputs'->>'d_numerical')::int AS numbers,
       cardinality(x_num) AS encoded, (SELECT count(*) FROM ctr_vocabulary(model, 'shop*visitor')) > 100 AS known,
       (SELECT max(strength) FROM ctr_interactions(model) WHERE layer = 'crosses') > 0 AS strength, model::text::ctr_model = model AS comes_back
FROM apart, LATERAL (SELECT ctr_config(model) AS c) c, LATERAL (SELECT (ctr_encode(model, t)).* FROM (SELECT *, 'k1' AS k FROM test LIMIT 1) t) e ORDER BY name;
SELECT count(*) > 100 AS embeddings FROM apart, ctr_embeddings(model, 'shop*visitor') WHERE name = 'no statistics';
SELECT ctr_embeddings(model, 'shop*visitor') FROM apart WHERE name = 'FiBiNET';
-- the average row, from which contributions are told, has the crosses' mean statistics, of each and of their sum
SELECT name, abs(avg(cross_sum) - avg(average)) < 0.05 AS as_rows FROM (
    SELECT name, x_num[array_length(x_num, 1)] AS cross_sum, (ctr_tensor(model, 'ctr.average.inputs'))[array_length(x_num, 1)] AS average
    FROM apart, (SELECT *, 'k' || row_number() OVER () % 5000 AS k FROM train LIMIT 4000) t, ctr_encode(model, t) WHERE name IN ('FiBiNET', 'few rows')) a GROUP BY name ORDER BY name;
SELECT ctr_config(t.model)->'inputs'->'derived_numerical' = ctr_config(a.model)->'inputs'->'derived_numerical' AS kept
FROM apart a, LATERAL (SELECT ctr_train(t, '{"epochs": 1}', a.model) AS model FROM (SELECT *, 'k1' AS k FROM test LIMIT 500) t) t ORDER BY name;
