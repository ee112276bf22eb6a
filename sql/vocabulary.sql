-- ctr_vocabulary and ctr_embeddings: the categories of a feature, their codes, counts and vectors
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA vocabulary;
SET search_path = vocabulary, public;
\i sql/try.psql
\pset null '-'
-- shops in two groups, whose visitors click in the same way; one of them in a single row, one unknown in 100 rows
CREATE TABLE visits AS
SELECT (hashint4(i) & 1023 < CASE WHEN i % 10 < 5 THEN 200 ELSE 800 END)::int AS label,
       CASE WHEN i = 7 THEN 'once' WHEN i % 20 <> 3 THEN 's' || i % 10 END AS shop, 'd"' || i % 3 AS device, (i % 4)::float8 AS price
FROM generate_series(1, 2000) i;
CREATE TABLE models AS
SELECT name, ctr_train(v, options || '{"validation": 0, "epochs": 3, "min_count": 2, "batch_size": 64, '
                                     '"crosses": [["shop", "device"]]}') AS model
FROM visits v, (VALUES ('dcn', '{}'::jsonb), ('deepfm', '{"architecture": "deepfm"}')) o(name, options) GROUP BY name;

SELECT v.* FROM models, ctr_vocabulary(model, 'shop') v WHERE name = 'dcn' ORDER BY code;
SELECT v.* FROM models, ctr_vocabulary(model, 'device') v WHERE name = 'dcn' ORDER BY code;
SELECT v.*, 1.5 <@ nullif(value, '')::numrange AS has FROM models, ctr_vocabulary(model, 'price.bucket') v WHERE name = 'dcn' ORDER BY code;
SELECT code, value, value::jsonb->>1 AS device, count FROM models, ctr_vocabulary(model, 'shop*device') v WHERE name = 'dcn' ORDER BY code LIMIT 5;
SELECT count(*), sum(count) FROM models, ctr_vocabulary(model, 'shop*device') v WHERE name = 'dcn' AND value LIKE '[null, %';

-- they are what ctr_encode says, and count what training saw
SELECT name, bool_and(v.value IS NOT DISTINCT FROM CASE WHEN shop <> 'once' THEN shop END AND (v.code = 0) = (shop IS NOT DISTINCT FROM 'once')) AS columns,
       bool_and(p.value::jsonb = jsonb_build_array(shop, device)) FILTER (WHERE p.value IS NOT NULL) AS pairs,
       bool_and(price::numeric <@ b.value::numrange) AS buckets
FROM models, LATERAL (SELECT *, (SELECT x_cat FROM ctr_encode(model, r)) AS x_cat FROM visits r) r
     LEFT JOIN LATERAL (SELECT * FROM ctr_vocabulary(model, 'shop') w WHERE w.code = x_cat[1] OFFSET 0) v ON true
     LEFT JOIN LATERAL (SELECT w.value FROM ctr_vocabulary(model, 'shop*device') w WHERE w.code = x_cat[4] OFFSET 0) p ON true
     LEFT JOIN LATERAL (SELECT w.value::text FROM ctr_vocabulary(model, 'price.bucket') w WHERE w.code = x_cat[3] OFFSET 0) b ON true
WHERE shop = 'once' OR shop IS NULL OR shop = 's4' GROUP BY name ORDER BY name;

-- vectors are the rows of the network's tables
SELECT count(*), count(value), min(cardinality(embedding)), max(cardinality(embedding)),
       array_agg(e.embedding ORDER BY code) = ctr_tensor(model, 'cat_embedding.embedding_list.0.weight') AS rows
FROM models, ctr_embeddings(model, 'shop') e WHERE name = 'dcn' GROUP BY model;
SELECT feature, array_agg(e.embedding ORDER BY code) = (ctr_tensor(model, 'cat_embedding.embedding.weight'))[first + 1:first + count(*)] AS rows
FROM models, (VALUES ('shop', 0), ('device', 12), ('price.bucket', 12 + 5), ('shop*device', 12 + 5 + 6)) f(feature, first),
     ctr_embeddings(model, feature) e WHERE name = 'deepfm' GROUP BY model, feature, first ORDER BY first;
-- similar categories: the nearest shop, by cosine, is one of its own group
SELECT a.value, (SELECT b.value FROM ctr_embeddings(model, 'shop') b WHERE b.value LIKE 's%' AND b.code <> a.code
                 ORDER BY (SELECT sum(x * y) / sqrt(sum(x * x) * sum(y * y)) FROM unnest(a.embedding, b.embedding) u(x, y)) DESC LIMIT 1) ~
                CASE WHEN a.value ~ '[0-4]' THEN '[0-4]' ELSE '[5-9]' END AS same_group
FROM (SELECT ctr_train(v, '{"architecture": "wide_deep", "target_statistics": false, "epochs": 5, "batch_size": 64, "validation": 0}') AS model
      FROM (SELECT label, shop FROM visits) v) m,
     ctr_embeddings(model, 'shop') a WHERE a.value LIKE 's%' ORDER BY a.value;

-- what is no categorical feature
SELECT f, t.state, t.message, t.hint FROM unnest('{Shop,shopp,price,device*shop,xyzzy,""}'::text[]) f,
    try(format('SELECT count(*) FROM models, ctr_vocabulary(model, %L)', f)) t;
SELECT t.* FROM try($$SELECT ctr_embeddings(model, 'shap') FROM models$$) t;
SELECT ctr_vocabulary(model, NULL) FROM models;
DROP SCHEMA vocabulary CASCADE;
