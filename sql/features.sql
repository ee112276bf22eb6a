-- derived features: numerical buckets and target statistics
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA features;
SET search_path = features, public;
SET extra_float_digits = 0;
\pset null '-'

CREATE TABLE clicks AS
SELECT i AS id, (i * 7919 % 10 < CASE WHEN i % 3 = 0 THEN 7 ELSE 2 END)::int AS label, 1 + i % 2 AS weight,
       i % 4 = 1 AS late,
       nullif(i * 31 % 970, 0) / 80.0 AS price, i % 2 AS flag, 'c' || i % 3 AS city,
       nullif('d' || i * i % 7, 'd4') AS device
FROM generate_series(1, 3000) i;
CREATE FUNCTION trained(options text, query text DEFAULT 'SELECT * FROM clicks ORDER BY id') RETURNS ctr_model
LANGUAGE plpgsql AS $$
DECLARE model ctr_model;
BEGIN
    EXECUTE format('SELECT ctr_train(c, %s || ctr_options(''{"epochs": 1, "ignore": ["id", "weight", '
                   '"late"], "numerical": ["price", "flag"]}'')) FROM (%s) c', options, query) INTO model;
    RETURN model;
END $$;
CREATE TABLE models AS
SELECT name, trained(options) AS model FROM (VALUES
    ('deep', 'ctr_deepcross()'), ('pairs', 'ctr_fibinet(mlp_layers => ''{8}'')'),
    ('weighted', 'ctr_fit(weight => ''weight'')'),
    ('column', 'ctr_fit(validation_column => ''late'')'), ('no buckets', 'ctr_fit(numerical_buckets => 0)'),
    ('no statistics', 'ctr_fit(target_statistics => false)'), ('plain', 'ctr_fit(recipe => ''reference'')'),
    ('three', 'ctr_deepcross(n_classes => 3)')) v (name, options);

-- what is derived, and that it can be switched off
SELECT name, ctr_config(model)->'inputs' AS inputs FROM models ORDER BY name;
SELECT name, cardinality(x_num) AS x_num, cardinality(x_cat) AS x_cat,
       (SELECT count(*) FROM ctr_features(model)) AS features,
       (SELECT count(*) FROM ctr_tensors(model) t WHERE t.name ~ '^ctr\.derived') AS tensors
FROM models, clicks c, ctr_encode(model, c) WHERE id = 1 ORDER BY name;

-- the bucket of a number is how many bounds lie below it; missing numbers have a code of their own
CREATE TABLE bounds AS
SELECT (ctr_tensor(model, 'ctr.derived.bounds'))[1:(ctr_tensor(model, 'ctr.derived.bound_count'))[1]::int]
       AS price FROM models WHERE name = 'deep';
SELECT cardinality(price) AS bounds FROM bounds;
SELECT c.price, x_cat[3] AS code, x_cat[3] = CASE WHEN c.price IS NULL OR c.price = 'NaN' THEN 1
           ELSE 2 + (SELECT count(*) FROM unnest(b.price) bound WHERE bound < c.price) END AS right_code
FROM models, bounds b, (SELECT p::float8 AS price, 0 AS flag, 'c1' AS city, 'd1' AS device
      FROM unnest('{-Infinity,-5,0.125,6,11.9,12,1e300,Infinity,NaN,NULL}'::float8[]) p) c,
           ctr_encode(model, c) WHERE name = 'deep';
SELECT min(rows) > 150 AND max(rows) < 230 AS equal_shares FROM (SELECT count(*) AS rows
    FROM models, clicks c, ctr_encode(model, c) WHERE name = 'deep' AND price IS NOT NULL
    GROUP BY x_cat[3]) s;

-- what scoring sees is a smoothed log odds ratio, over all rows but those of a validation_column, times what the
-- column's are trusted
CREATE FUNCTION statistic(w float8, y float8, w_all float8, y_all float8) RETURNS float8 LANGUAGE sql AS $$
    SELECT ln((y + 20 * odds / (1 + odds)) / (w - y + 20 / (1 + odds)) / odds)
    FROM (SELECT (y_all + 0.5) / (w_all - y_all + 0.5) AS odds) o $$;
WITH rows AS (
    SELECT name, model, c, city, CASE WHEN name = 'weighted' THEN weight ELSE 1 END AS w, label
    FROM models, clicks c
    WHERE name IN ('deep', 'weighted', 'no buckets') OR name = 'column' AND NOT late
), cities AS (SELECT name, city, sum(w) AS w, sum(w * label) AS y FROM rows GROUP BY 1, 2
), totals AS (SELECT name, sum(w) AS w, sum(w * label) AS y FROM rows GROUP BY 1)
SELECT r.name, regr_r2(x_num[3], o.odds) > 1 - 1e-9 AND abs(regr_intercept(x_num[3], o.odds)) < 1e-5 AS right_statistic,
       regr_slope(x_num[3], o.odds) BETWEEN 0.9 AND 1 AS right_trust,
       round(min(x_num[3])::numeric, 3) AS low, round(max(x_num[3])::numeric, 3) AS high
FROM rows r JOIN cities s USING (name, city) JOIN totals t USING (name), ctr_encode(model, c), statistic(s.w, s.y, t.w, t.y) o (odds)
GROUP BY r.name ORDER BY 1;

-- a category that training has not seen tells nothing, nor does a column that foretells no labels; one that is missing
-- has its own statistic
SELECT name, round(x_num[3]::numeric, 3) AS city, round(x_num[4]::numeric, 3) AS device
FROM models, (SELECT 1 AS price, 0 AS flag, 'nowhere' AS city, NULL AS device) c, ctr_encode(model, c)
WHERE name IN ('deep', 'column') ORDER BY 1;

SELECT x_num[3] > 1 AS missing_city
FROM trained('ctr_deepcross()', 'SELECT id, label, weight, late, price, flag, nullif(city, ''c0'') AS city, device FROM clicks') m,
     ctr_encode(m, row(NULL, NULL, NULL, NULL, 1, 0, NULL, NULL)::clicks) e;

-- FiBiNET takes their sum
WITH tables AS (
    SELECT model::ctr_model, array_agg(sum - rows ORDER BY i) AS before,
           ctr_tensor(model::ctr_model, 'ctr.derived.statistics') AS statistics
    FROM (SELECT model::bytea, i, rows::int, sum(rows::int) OVER (ORDER BY i) FROM models,
          jsonb_array_elements_text(ctr_config(model)->'inputs'->'categories') WITH ORDINALITY r (rows, i)
          WHERE name = 'pairs') s GROUP BY s.model)
SELECT count(*) AS rows, max(abs(x_num[3] - sum / 2)) < 1e-5 AS right_sum
FROM tables, clicks c, ctr_encode(model, c),
     LATERAL (SELECT sum(statistics[before[f] + code + 1]) FROM unnest(x_cat) WITH ORDINALITY u (code, f)) s;

-- a row's own label does not reach its statistic: before a category is met again, noise of five rows each
-- teaches nothing
CREATE TABLE noise AS
SELECT i AS id, 'x' || i % 800 AS noise, (hashint4(i) & 1) AS label FROM generate_series(1, 4000) i;
SELECT abs(train_auc - 0.5) < 0.05 AS train, abs(val_auc - 0.5) < 0.07 AS validation
FROM (SELECT ctr_train(n, ctr_fit(ignore => '{id}', epochs => 1, batch_size => 32, min_count => 1)) AS model
      FROM (SELECT * FROM noise ORDER BY id) n) m, ctr_history(model) h;

-- memory decides nothing; the bytes hold everything
CREATE TABLE many AS
SELECT id * 20 + k AS id, label, price + k AS price, flag, city || k AS city, device
FROM clicks, generate_series(0, 9) k;
CREATE FUNCTION learnt(model ctr_model) RETURNS bytea LANGUAGE sql AS
$$ SELECT sha256(ctr_state_dict(model) || string_agg(ctr_tensor(model, name)::text::bytea, '' ORDER BY name))
   FROM ctr_tensors(model) WHERE name ~ '^ctr\.[cdn]' $$;
SET maintenance_work_mem = '1MB';
CREATE TABLE spilled AS
SELECT trained('ctr_fit(seed => 3)', 'SELECT *, 1 AS weight, true AS late FROM many ORDER BY id') AS model;
SET maintenance_work_mem = '64MB';
CREATE TABLE kept AS
SELECT trained('ctr_fit(seed => 3)', 'SELECT *, 1 AS weight, true AS late FROM many ORDER BY id') AS model;
SELECT learnt(s.model) = learnt(k.model) AS same FROM spilled s, kept k;
SELECT name, bool_and(ctr_encode(model, c) = ctr_encode(model::bytea::ctr_model, c)) AS same
FROM models, clicks c WHERE id < 20 GROUP BY 1 ORDER BY 1;

-- labels of several classes have no log odds: left out, or an error when asked for
SELECT trained('ctr_deepcross(n_classes => 3) || ctr_fit(target_statistics => true)');
SELECT ctr_fit(numerical_buckets => 257);
SELECT ctr_fit(numerical_buckets => -1);

-- going on keeps what the model has; new categories get statistics from the new rows, beside the average
-- that the model began with
CREATE TABLE later AS
SELECT id, 1 - label AS label, price * 3 AS price, flag, CASE WHEN id % 5 = 0 THEN 'new'
    ELSE city END AS city, device FROM clicks;

-- statistics and codes of known categories stay; a new one is judged by the new rows
CREATE TABLE continued AS
SELECT name, (SELECT ctr_train(l, '{"epochs": 1, "ignore": ["id"]}', model) FROM later l) AS model FROM models
WHERE name IN ('deep', 'pairs');
SELECT name, a.x_num[3:] = b.x_num[3:] AS same_statistics, a.x_cat = b.x_cat AS same_codes
FROM models m JOIN continued k USING (name), clicks c, ctr_encode(m.model, c) a, ctr_encode(k.model, c) b
WHERE id BETWEEN 1 AND 3 ORDER BY 1, id;
SELECT x_num[3] / statistic(n.w, n.y, a.w, a.y) BETWEEN 0.9 AND 1 AS right_statistic, x_cat[1] AS code
FROM continued, later c, ctr_encode(model, c),
     (SELECT count(*) AS w, sum(label) AS y FROM later WHERE city = 'new') n,
     (SELECT count(*) AS w, sum(label) AS y FROM clicks) a
WHERE id = 5 AND name = 'deep';

-- what is derived cannot change
SELECT (SELECT ctr_train(l, '{"numerical_buckets": 8}', model) FROM later l) FROM models WHERE name = 'deep';
SELECT (SELECT ctr_train(l, '{"target_statistics": false}', model) FROM later l) FROM models
WHERE name = 'deep';

-- columns of one kind alone, and columns without a value
CREATE TABLE odd AS
SELECT i, i % 2 AS label, NULL::int AS nothing, 7 AS constant, 'x' AS one, NULL::text AS none
FROM generate_series(1, 40) i;
SELECT family, ignored, (SELECT ctr_predict(model, o) BETWEEN 0 AND 1 FROM odd o LIMIT 1) AS scores,
       ctr_config(model)->'inputs'->'categories' AS categories
FROM (VALUES ('ctr_deepcross()'), ('ctr_fibinet()')) f (family),
     (VALUES ('{one,none}'), ('{nothing,constant}')) i (ignored),
     LATERAL (SELECT ctr_train(o, CASE family WHEN 'ctr_fibinet()' THEN ctr_fibinet()
                               ELSE ctr_deepcross() END || ctr_fit(epochs => 1,
                                   ignore => ignored::text[] || '{i}')) AS model FROM odd o) m ORDER BY 1, 2;

-- damaged tensors are refused
\i sql/forge.psql
CREATE FUNCTION attempt(file bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE WHEN ctr_predict(file::ctr_model, (SELECT c FROM clicks c LIMIT 1)) BETWEEN 0 AND 1
        THEN 'accepted' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT tensor, at, bytes, attempt(overwritten(model::bytea, tensor, at, bytes::bytea)) AS damaged
FROM models, (VALUES
    ('ctr.derived.statistics', 0, '\x0000803f'), ('ctr.derived.statistics', 4, '\x0000c07f'),
    ('ctr.derived.statistics', 8, '\x0000807f'),
    ('ctr.derived.statistics', 8, '\xffff7fff'), ('ctr.derived.bounds', 0, '\x000000000000f07f'),
    ('ctr.derived.bounds', 8, '\x000000000000f0ff'),
    ('ctr.derived.bounds', 0, '\x000000000000f87f'), ('ctr.derived.bounds', 0, '\x0000000000004940'),
    ('ctr.derived.bound_count', 0, '\x10000000'),
    ('ctr.derived.bound_count', 0, '\xffffffff'), ('ctr.derived.bound_count', 0, '\x0e000000'),
    ('ctr.derived.label_sums', 96, '\x0000c07f'), ('ctr.derived.label_sums', 100, '\x0000c07f'),
    ('ctr.derived.label_sums', 96, '\x0000807f'),
    ('ctr.derived.label_sums', 96, '\x000080bf'), ('ctr.derived.label_sums', 100, '\x000080bf'),
    ('ctr.derived.label_sums', 100, '\xffff7f7f'),
    ('ctr.derived.label_sums', 96, '\xffff7f7fffff7f7f'),
    ('ctr.derived.label_totals', 0, '\x0000807f0000807f'),
    ('ctr.derived.label_totals', 44, '\x00005049')) d (tensor, at, bytes)
WHERE name = 'deep';

-- options and names that do not fit the tensors
SELECT was, becomes, attempt(changed(model::bytea, was, becomes)) AS renamed FROM models, (VALUES
    ('\"target_statistics\": true', '\"target_statistics\":false'),
    ('\"numerical_buckets\": 16', '\"numerical_buckets\":  0'),
    ('\"numerical_buckets\": 16', '\"numerical_buckets\":  9'),
    ('ctr.derived.statistics', 'ctr.derived.statistric'),
    ('ctr.derived.label_sums', 'ctr.derived.label_sumz')) r (was, becomes)
WHERE name = 'deep';

SET client_min_messages = error;
DROP SCHEMA features CASCADE;

-- categories of every length are kept apart and found again when their table has grown: each of them comes
-- twice
CREATE TABLE lengths AS
SELECT k % 2 AS label, repeat('x', k % 20) || k AS word
FROM generate_series(1, 3000) k, generate_series(1, 2) r ORDER BY r, k;
CREATE TABLE words AS
SELECT ctr_train(l, ctr_fit(epochs => 1, min_count => 2,
                            validation => 0) || '{"mlp_layers": [4], "target_statistics": false}') AS model
                            FROM lengths l;
SELECT categories FROM words, ctr_features(model);
SELECT count(*), count(DISTINCT word) AS words, count(DISTINCT x_cat[1]) AS codes, min(x_cat[1]) AS least,
       max(x_cat[1]) AS most FROM words, lengths l, ctr_encode(model, l);
SELECT x_cat[1] AS unseen FROM words, ctr_encode(model, ROW(0, repeat('x', 19) || '1')::lengths);
DROP TABLE lengths, words;

-- long ones, which fill a block of rows before its rows do, beside NULLs and rows without a label
CREATE TABLE pages AS
SELECT CASE WHEN k % 11 > 0 THEN k % 2 END AS label, CASE
    WHEN k % 5 > 0 THEN k % 50 || repeat(md5((k % 50)::text), 200) END AS page,
    k % 9 AS size FROM generate_series(1, 700) k;
CREATE TABLE reader AS
SELECT ctr_train(p, ctr_fit(epochs => 2, min_count => 1,
                            validation => 0) || '{"mlp_layers": [4], "target_statistics": false}') AS model
FROM pages p WHERE label IS NOT NULL;
SELECT name, categories, missing FROM reader, ctr_features(model);
SELECT count(*), count(DISTINCT page) AS pages, count(DISTINCT x_cat[1]) AS codes,
       bool_and((x_cat[1] = 1) = (page IS NULL)) AS missing FROM reader, pages p, ctr_encode(model, p);
SELECT count(*), bool_and(abs(p - b) < 1e-6) AS same FROM (
  SELECT ctr_predict(model, s) AS p, ctr_predict_batch(model, s) OVER () AS b FROM reader, pages s) t;
SELECT e.rows, abs(e.loss - s.loss) < 1e-6 AS same FROM
  (SELECT (ctr_evaluate(model, p)).* FROM reader, pages p) e,
  (SELECT ctr_logloss(label, ctr_predict(model, p)) AS loss FROM reader, pages p WHERE label IS NOT NULL) s;

-- pages that the model has not seen are not those without a page
SELECT count(*), bool_and(abs(p - b) < 1e-6) AS same, count(DISTINCT round(p::numeric, 6)) > 9 AS vary FROM (
  SELECT ctr_predict(model, s) AS p, ctr_predict_batch(model, s) OVER () AS b
  FROM reader, (SELECT label, CASE WHEN label = 0 THEN reverse(page) END AS page, size FROM pages) s) t;
DROP TABLE pages, reader;

-- the smallest numbers are numbers in threads, too
CREATE TABLE tiny AS
SELECT (k > 500)::int AS label, k * '1e-320'::float8 AS x FROM generate_series(1, 1000) k;
CREATE TABLE small AS
SELECT ctr_train(t, ctr_fit(recipe => 'reference', epochs => 10, batch_size => 64, learning_rate => 0.01,
                            threads => 2)) AS model FROM tiny t;
SET ctr.threads = 2;
SELECT auc > 0.99 AS learned FROM (SELECT (ctr_evaluate(model, t)).* FROM small, tiny t) e;
SELECT count(*), bool_and(abs(p - b) < 1e-6) AS same, count(DISTINCT p) > 500 AS vary FROM (
  SELECT ctr_predict(model, t) AS p, ctr_predict_batch(model, t) OVER () AS b FROM small, tiny t) s;
RESET ctr.threads;
DROP TABLE tiny, small;
