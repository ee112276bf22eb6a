-- how far rows are from those of the training
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA drift;
SET search_path = drift, public;
\pset null '-'

CREATE TABLE rows AS
SELECT i AS id, (i * 7919 % 10 < 3)::int AS label, CASE WHEN i % 5 > 0 THEN (hashint4(i) & 1023) / 7.0 END AS price, i % 4 AS few,
       'c' || (hashint4(i * 3) & 15) AS city, CASE WHEN i % 3 > 0 THEN 'd' || (hashint4(i * 5) & 4095) END AS device, i % 3 AS class
FROM generate_series(1, 8000) i;
SET client_min_messages = error;
CREATE TABLE models AS
SELECT name, (SELECT ctr_train(r, ctr_fit(epochs => 1, validation => 0, ignore => '{id}', numerical => '{few}') || options) FROM rows r) AS model
FROM (VALUES ('dcn', '{"ignore": ["id", "class"]}'::jsonb), ('other', '{"ignore": ["id", "class"], "seed": 5}'),
             ('classes', '{"label": "class", "ignore": ["id", "label"], "n_classes": 3}'),
             ('standard', '{"ignore": ["id", "class"], "numerical_transform": "standard"}')) v (name, options);
SET client_min_messages = warning;
CREATE FUNCTION rounded(d ctr_feature_drift[]) RETURNS TABLE (feature text, kind text, rows bigint, missing numeric, missing_trained numeric,
    unseen numeric, unseen_trained numeric, mean numeric, mean_trained numeric, psi numeric) LANGUAGE sql AS $$
SELECT feature, kind, rows, round(missing::numeric, 3), round(missing_trained::numeric, 3), round(unseen::numeric, 3), round(unseen_trained::numeric, 3),
       round(mean::numeric, 1), round(mean_trained::numeric, 1), round(psi::numeric, 3) FROM unnest(d) $$;

-- the same rows: nothing has changed, and the scores' mean is the labels'
SELECT r.* FROM models, LATERAL (SELECT ctr_drift(model, r) AS d FROM rows r) s, rounded(d) r WHERE name = 'dcn';
-- a half of them: little more than chance
SELECT r.feature, r.psi < 0.02 AS little FROM models, LATERAL (SELECT ctr_drift(model, r) AS d FROM rows r WHERE hashint4(id * 11) & 1 = 0) s, rounded(d) r
WHERE name = 'dcn' AND kind <> 'score';
-- planted: prices half as high again, some beyond all; one number always missing; some cities new; devices as they were
CREATE VIEW later AS SELECT id, price * 1.5 AS price, NULL::int AS few, replace(city, 'c1', 'q') AS city, device FROM rows;
SELECT r.* FROM models, LATERAL (SELECT ctr_drift(model, l) AS d FROM later l) s, rounded(d) r WHERE name = 'dcn' AND kind <> 'score';
-- by hand, from shares in the same bins: city's, which has a bin for each
SELECT abs(psi - (SELECT sum((p - q) * ln(p / q)) FROM
           (SELECT (count(*) FILTER (WHERE now) + 0.5) / (4000 + 0.5 * 19) AS p, (count(*) FILTER (WHERE before) + 0.5) / (8000 + 0.5 * 19) AS q
            FROM (SELECT city AS bin, id <= 4000 AS now, true AS before FROM rows UNION ALL SELECT v, false, false FROM unnest('{others,unseen,missing}'::text[]) v) b
            GROUP BY bin) s)) < 1e-9 AS "as by hand"
FROM models, LATERAL (SELECT ctr_drift(model, r) AS d FROM rows r WHERE id <= 4000) s, unnest(d) d WHERE name = 'dcn' AND feature = 'city';
-- the mean score is ctr_predict's
SELECT abs(mean - (SELECT avg(ctr_predict(model, l)) FROM later l)) < 1e-6 AS mean
FROM models, LATERAL (SELECT ctr_drift(model, l) AS d FROM later l) s, unnest(d) WHERE name = 'dcn' AND kind = 'score';
-- a class has a score each; a number without quantile points has no index
SELECT r.feature, r.kind, r.mean, r.mean_trained, r.psi FROM models, LATERAL (SELECT ctr_drift(model, r) AS d FROM rows r) s, rounded(d) r
WHERE name = 'classes' AND kind = 'score' OR name = 'standard' AND kind <> 'categorical' ORDER BY name, feature;
-- infinities, NaN, empty text
SELECT r.* FROM models, LATERAL (SELECT ctr_drift(model, r) AS d
    FROM (VALUES ('Infinity'::float8, 1, ''), ('-Infinity', 1, NULL), ('NaN', 1, 'c1'), (NULL, NULL, 'c1')) v (price, few, city), LATERAL (SELECT price, few, city, 'd' AS device) r) s,
    rounded(d) r WHERE name = 'dcn' AND r.kind <> 'score';

-- by groups, in windows, and in parallel: the same
CREATE TABLE by_group AS SELECT id % 3 AS k, ctr_drift(model, r) AS d FROM rows r, models WHERE name = 'dcn' GROUP BY 1;
SELECT sum(r.rows) AS rows FROM by_group, unnest(d) r WHERE kind = 'score';
SELECT bool_and((SELECT array_agg(x) FROM rounded(d) x) = (SELECT array_agg(x) FROM rounded(w) x)) AS windows FROM by_group JOIN (SELECT DISTINCT ON (id % 3) id % 3 AS k, ctr_drift(model, r) OVER (PARTITION BY id % 3 ORDER BY id) AS w
    FROM rows r, models WHERE name = 'dcn' ORDER BY id % 3, id DESC) o USING (k);
CREATE TABLE serial AS SELECT ctr_drift((SELECT model FROM models WHERE name = 'dcn'), r) AS d FROM rows r;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 3;
ALTER TABLE rows SET (parallel_workers = 3);
CREATE FUNCTION plan(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
        IF line ~ 'Partial Aggregate' THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
SELECT plan('SELECT ctr_drift((SELECT model FROM models WHERE name = ''dcn''), r) FROM rows r') AS in_parallel;
CREATE TABLE parallel AS SELECT ctr_drift((SELECT model FROM models WHERE name = 'dcn'), r) AS d FROM rows r;
SELECT count(*) AS elements, bool_and(p.rows = s.rows AND abs(p.mean - s.mean) < 1e-6 IS NOT FALSE AND abs(p.psi - s.psi) < 1e-12 IS NOT FALSE
    AND p.missing = s.missing IS NOT FALSE AND p.unseen = s.unseen IS NOT FALSE) AS same
FROM parallel, unnest(parallel.d) p, serial, unnest(serial.d) s WHERE p.feature = s.feature AND p.kind = s.kind;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;
-- states that are sent and put together, however many processes there are: a part of the rows in each partition
CREATE TABLE parts (LIKE rows) PARTITION BY LIST (class);
CREATE TABLE part_0 PARTITION OF parts FOR VALUES IN (0);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF parts FOR VALUES IN (2);
INSERT INTO parts SELECT * FROM rows;
ANALYZE parts;
SET enable_partitionwise_aggregate = on;
SELECT plan('SELECT ctr_drift((SELECT model FROM models WHERE name = ''dcn''), p) FROM parts p') AS in_parts;
CREATE TABLE together AS SELECT ctr_drift((SELECT model FROM models WHERE name = 'dcn'), p) AS d FROM parts p;
SELECT count(*) AS elements, bool_and(p.rows = s.rows AND abs(p.mean - s.mean) < 1e-6 IS NOT FALSE AND abs(p.psi - s.psi) < 1e-12 IS NOT FALSE
    AND p.missing = s.missing IS NOT FALSE AND p.unseen = s.unseen IS NOT FALSE) AS same
FROM together, unnest(together.d) p, serial, unnest(serial.d) s WHERE p.feature = s.feature AND p.kind = s.kind;
SELECT ctr_drift(m.model, p) FROM parts p JOIN models m ON m.name = CASE class WHEN 1 THEN 'dcn' ELSE 'other' END;
RESET enable_partitionwise_aggregate;

-- several models in a group; no rows; a column that is not there
SELECT ctr_drift(model, r) FROM rows r, models WHERE name IN ('dcn', 'other');
SELECT ctr_drift(model, r) IS NULL AS nothing FROM rows r, models WHERE id < 0;
SELECT name, ctr_drift(NULLIF(model, model), r) IS NULL AS nothing, ctr_evaluate(model, r) IS NULL AS evaluated FROM rows r, models WHERE id < 3 AND name = 'dcn' GROUP BY name;
SELECT ctr_drift(model, r) FROM (SELECT 1 AS price) r, models WHERE name = 'dcn';

-- names are anybody's; a model that goes on counts more rows than it trains on
SET client_min_messages = error;
CREATE TABLE odd AS SELECT i % 2 AS label, i % 7 AS "<b>""'", 'a' || i % 3 AS "ä; DROP" FROM generate_series(1, 300) i;
CREATE TABLE odd_model AS SELECT ctr_train(o, ctr_fit(epochs => 1)) AS model FROM odd o;
UPDATE odd_model SET model = (SELECT ctr_train(o, '{"epochs": 1}', odd_model.model) FROM odd o WHERE label = label);
SELECT feature, round(missing::numeric, 2) AS missing, round(unseen_trained::numeric, 2) AS unseen_trained, psi < 0.01 AS near
FROM (SELECT ctr_drift((SELECT model FROM odd_model), o) AS d FROM odd o) s, unnest(d) WHERE kind <> 'score';
-- a number that no training row had has no mean in the training
SELECT missing_trained, mean, mean_trained FROM (SELECT ctr_train(r, ctr_fit(epochs => 1, ignore => '{id,class,device}')) AS model
    FROM (SELECT id, label, NULL::float8 AS price, few, city, device, class FROM rows) r) m, LATERAL (SELECT ctr_drift(model, r) AS d FROM rows r WHERE id <= 1 AND price > 0) s, unnest(d) d WHERE feature = 'price';
DROP SCHEMA drift CASCADE;
