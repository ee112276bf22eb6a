-- what rows' features contribute, and which features matter
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/try.psql
\i sql/forge.psql
\pset null '-'
CREATE SCHEMA explain;
SET search_path = explain, public;
SET ctr.max_threads = 2;

-- The label depends on city, then price, then device; not on rank and day.
CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
CREATE TABLE visits AS
SELECT i AS id, (uniform(i, 1) < 1 / (1 + exp(-z)))::int AS label, (uniform(i, 1) * 3)::int % 3 AS class, i % 4 = 0 AS held,
       price, rank, city, device, day
FROM generate_series(1, 8000) i,
     LATERAL (SELECT CASE WHEN i % 11 > 0 THEN 100 * uniform(i, 2) END AS price, uniform(i, 3) AS rank, 'c' || floor(6 * uniform(i, 4)) AS city,
                     CASE WHEN i % 13 > 0 THEN 'd' || floor(4 * uniform(i, 5)) END AS device, floor(7 * uniform(i, 6))::int::text AS day) v,
     LATERAL (SELECT CASE WHEN city < 'c3' THEN 2.5 ELSE -2.5 END + (coalesce(price, 50) - 50) / 16 + CASE WHEN device = 'd1' THEN 3 ELSE 0 END AS z) l;
CREATE FUNCTION trained(options jsonb) RETURNS ctr_model LANGUAGE sql AS $$
    SELECT ctr_train(v, ctr_fit(epochs => 4, batch_size => 128, min_count => 1, ignore => '{id,held,class}') || '{"mlp_layers": [32, 16]}' || options) FROM visits v $$;
CREATE TABLE models AS
SELECT name, trained(options::jsonb) AS model FROM (VALUES
    ('matrix', '{}'), ('mix', '{"cross_type": "mix", "n_experts": 2, "low_rank": 4}'), ('vector', '{"cross_type": "vector", "stacked": false}'),
    ('fibinet', '{"architecture": "fibinet"}'), ('each', '{"architecture": "fibinet", "bilinear_type": "field_each"}'),
    ('deepfm', '{"architecture": "deepfm"}'), ('wide', '{"architecture": "wide_deep"}'),
    ('crosses', '{"crosses": [["city", "device"], ["device", "day"]]}'),
    ('crosses deepfm', '{"architecture": "deepfm", "crosses": [["city", "device"]]}'),
    ('plain', '{"target_statistics": false, "numerical_buckets": 0}'), ('reference', '{"recipe": "reference"}'),
    ('all rows', '{"validation": 0}'), ('column', '{"validation_column": "held", "ignore": ["id", "class"]}'),
    ('classes', '{"n_classes": 3, "label": "class", "ignore": ["id", "held", "label"]}')) v (name, options);

-- Contributions add up to the logit less the average row's, which is the same for all rows.
CREATE TABLE rows AS
SELECT * FROM visits WHERE id <= 200
UNION ALL SELECT -1, 0, 0, true, NULL, NULL, NULL, NULL, NULL UNION ALL SELECT -2, 1, 1, true, 1e9, -5, 'nowhere', 'd0', 'never';
CREATE FUNCTION logit(p float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT ln(p / (1 - p)) $$;
CREATE TABLE explained AS
SELECT name, r.id, logit(ctr_predict(model, r)) AS logit, e.*
FROM models, rows r, LATERAL ctr_explain(model, r) e WHERE name <> 'classes';
SELECT name, count(*) AS rows, max(logit - total) - min(logit - total) < 1e-4 AS complete,
       bool_and(abs(logit - total - average) <= 0.01 * abs(total) + 1e-4) AS "within 1 %", max(abs(total)) > 0.5 AS moving
FROM (SELECT *, avg(logit - total) OVER (PARTITION BY name) AS average
      FROM (SELECT name, id, logit, sum(contribution) AS total FROM explained GROUP BY 1, 2, 3) s) t GROUP BY name ORDER BY name;

-- values and their status; attention is FiBiNET's
SELECT name, feature, value, status, attention >= 0 AS attention FROM explained WHERE id < 0 AND name IN ('matrix', 'fibinet') ORDER BY name, id DESC, 2;
SELECT DISTINCT status FROM ctr_explain((SELECT trained('{"min_count": 3}')), (SELECT r FROM rows r WHERE id = -2)) e ORDER BY 1;

-- Of several classes, the one of the highest score is explained, unless another is given.
SELECT bool_and(best = given) AS same FROM (
    SELECT (SELECT array_agg(e ORDER BY feature) FROM ctr_explain(model, r) e) AS best,
           (SELECT array_agg(e ORDER BY feature) FROM ctr_explain(model, r, (SELECT (k - 1)::int FROM unnest(ctr_predict_classes(model, r)) WITH ORDINALITY p (p, k) ORDER BY p DESC LIMIT 1)) e) AS given
    FROM models, rows r WHERE name = 'classes') s;
SELECT count(DISTINCT total) > 2 AS "classes differ" FROM (
    SELECT k, sum(contribution) AS total FROM models, rows r, generate_series(0, 2) k, LATERAL ctr_explain(model, r, k) WHERE name = 'classes' AND r.id = 1 GROUP BY k) s;
SELECT try(format('SELECT count(*) FROM models, rows r, LATERAL ctr_explain(model, r, %s) WHERE name = %L AND r.id = 1', k, name)), name, k
FROM (VALUES ('classes', -1), ('classes', 3), ('matrix', 0), ('matrix', 1), ('matrix', 2)) v (name, k);
SELECT try('SELECT ctr_explain(model, r) FROM models, (SELECT 1 AS price) r');
SELECT count(*) AS "of NULL" FROM ctr_explain(NULL, ROW(1));

-- The planted features come first, the strongest one before all, and on any rows; the others are behind. (The recipe
-- 'reference' learns too slowly for so few steps.)
SELECT name, array_agg(feature ORDER BY feature) FILTER (WHERE n <= 3) AS first, min(feature) FILTER (WHERE n = 1) AS most, max(importance) FILTER (WHERE n > 3) < 0.8 * min(importance) FILTER (WHERE n <= 3) AS clear,
       count(attention) AS attention
FROM (SELECT name, i.*, row_number() OVER (PARTITION BY name ORDER BY importance DESC) AS n FROM models, ctr_importance(model) i WHERE name NOT IN ('classes', 'reference')) s
GROUP BY name ORDER BY name;
SELECT array_agg(feature ORDER BY importance DESC) FROM (
    SELECT feature, avg(abs(contribution)) AS importance FROM models, rows r, LATERAL ctr_explain(model, r)
    WHERE name = 'matrix' AND r.id > 0 GROUP BY 1 ORDER BY 2 DESC LIMIT 3) s;
-- A small training spends few rows on it, and finds the same order.
SELECT options->>'architecture' AS architecture, (SELECT (array_agg(feature))[:3] FROM ctr_importance(model)) AS first
FROM (SELECT options, ctr_train(v, ctr_fit(epochs => 3, batch_size => 32, candidates => 1, ignore => '{id,held,class}') || '{"mlp_layers": [32, 16]}' || options) AS model
      FROM visits v, unnest('{"{}","{\"architecture\": \"fibinet\"}","{\"architecture\": \"deepfm\"}"}'::jsonb[]) options WHERE id <= 800 GROUP BY options) s ORDER BY 1;

-- the average row: mean numbers and mean embeddings, of the training rows as they are scored
SELECT name, max(abs(a - mean)) < 1e-5 AS "mean numbers"
FROM models, LATERAL (SELECT a, avg(x) AS mean, i FROM visits v, ctr_encode(model, v) c, unnest(c.x_num) WITH ORDINALITY x (x, i),
                             unnest((ctr_tensor(model, 'ctr.average.inputs'))[:cardinality(c.x_num)]) WITH ORDINALITY a (a, j)
                      WHERE i = j GROUP BY i, a) s
WHERE name = 'all rows' GROUP BY name;
SELECT max(abs(a - mean)) < 1e-5 AS "mean embeddings"
FROM (SELECT avg(t.w[c.x_cat[1] + 1][1]) AS mean, min(t.a[cardinality(c.x_num) + 1]) AS a FROM visits v,
             (SELECT model, ctr_tensor(model, 'cat_embedding.embedding_list.0.weight') AS w, ctr_tensor(model, 'ctr.average.inputs') AS a
              FROM models WHERE name = 'all rows' OFFSET 0) t, ctr_encode(t.model, v) c) s;

-- the same bits for any threads, memory and order; a training that goes on computes them anew
CREATE FUNCTION kept(model ctr_model) RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(t.name || ctr_tensor(model, t.name)::text, ',' ORDER BY t.name)) FROM ctr_tensors(model) t WHERE t.name ~ '^ctr\.(average|importance)' $$;
CREATE TABLE settled AS SELECT kept(ctr_train(v, ctr_fit(epochs => 1, ignore => '{id,held,class}', threads => 1))) AS kept FROM visits v;
SELECT kept(ctr_train(v, ctr_fit(epochs => 1, ignore => '{id,held,class}', threads => 2))) = (SELECT kept FROM settled) AS same
FROM (SELECT * FROM visits ORDER BY id DESC) v;
SELECT kept(ctr_train(v, '{"epochs": 1}', m.model)) <> kept(m.model) AS anew FROM visits v, models m WHERE name = 'matrix' GROUP BY m.model;

-- Interactions: the label depends on a and b and on their pair, not on the others. Each unordered pair has one row for each layer.
CREATE TABLE paired AS
SELECT (uniform(i, 11) < 1 / (1 + exp(-(s + t + 2 * s * t))))::int AS label, 'a' || a AS a, 'b' || b AS b,
       'c' || i % 5 AS c, uniform(i, 14) AS x
FROM generate_series(1, 12000) i, LATERAL (SELECT floor(6 * uniform(i, 12))::int AS a, floor(6 * uniform(i, 13))::int AS b) v, LATERAL (SELECT 2 * (a % 2) - 1 AS s, 2 * (b % 2) - 1 AS t) w;
CREATE TABLE pairs AS
SELECT name, i.*, row_number() OVER (PARTITION BY name, layer ORDER BY strength DESC) AS n
FROM (SELECT name, (SELECT ctr_train(p, ctr_fit(epochs => 4, batch_size => 128, learning_rate => 0.005) || '{"mlp_layers": [32, 16]}' || options::jsonb) FROM paired p) AS model
      FROM (VALUES ('matrix', '{}'), ('no crosses', '{"crosses": "none"}'), ('mix', '{"cross_type": "mix", "n_experts": 2, "low_rank": 4}'), ('vector', '{"cross_type": "vector"}'), ('deepfm', '{"architecture": "deepfm"}'),
                   ('fibinet', '{"architecture": "fibinet"}'), ('wide', '{"architecture": "wide_deep"}'), ('crosses', '{"crosses": [["c", "a"], ["a", "b"]]}')) v (name, options) OFFSET 0) m,
     LATERAL ctr_interactions(model) i;
SELECT name, layer, count(*) AS pairs, bool_and(strength >= 0) AS sizes FROM pairs GROUP BY 1, 2 ORDER BY name, layer COLLATE "C";
SELECT name, feature_a, feature_b, strength > 3 * (SELECT strength FROM pairs o WHERE o.name = p.name AND layer = 'network' AND n = 2) AS clear
FROM pairs p WHERE layer = 'network' AND n = 1 ORDER BY name;
SELECT name, layer, feature_a, feature_b FROM pairs WHERE n = 1 AND layer <> 'network' AND name IN ('crosses', 'matrix') AND layer !~ '1' ORDER BY name, layer COLLATE "C";

-- forged: what explanations read is checked as all else is
SELECT try(format('SELECT overwritten(model::bytea, %L, %s, %L)::ctr_model FROM models WHERE name = %L', tensor, at, bytes, name)), tensor, at
FROM (VALUES ('matrix', 'ctr.average.inputs', 4, '\x0000c07f'), ('matrix', 'ctr.average.inputs', 0, '\x0000807f'), ('matrix', 'ctr.average.spread', 0, '\x000080bf'),
             ('deepfm', 'ctr.average.statistics', 0, '\x000080ff'), ('matrix', 'ctr.importance.features', 0, '\x000080bf'),
             ('fibinet', 'ctr.importance.attention', 0, '\x0000c07f'), ('crosses', 'ctr.importance.crosses', 4, '\x000080bf')) v (name, tensor, at, bytes);
SELECT try(format('SELECT changed(model::bytea, %L, %L)::ctr_model FROM models WHERE name = %L', tensor, tensor || 's', name)), tensor
FROM (VALUES ('matrix', 'ctr.average.inputs'), ('deepfm', 'ctr.average.statistics'), ('fibinet', 'ctr.importance.attention'), ('crosses', 'ctr.importance.crosses')) v (name, tensor);
DROP SCHEMA explain CASCADE;
