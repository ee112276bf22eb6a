-- The same rows give the same model in whatever order they arrive, for any number of threads and any
-- memory. Models are equal by = where all of their bytes are, but for the seconds that epochs took.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA row_order;
SET search_path = row_order, public;
SET ctr.max_threads = 2;

-- rows of which many are equal, some but for their weight or for what they are for; NULLs, -0 and NaN;
-- categories that are equally frequent
CREATE TABLE clicks AS
SELECT i AS id, (hashint8extended(i / 2, 1) % 3 = 0)::int AS label,
       nullif('shop ' || i % 50, 'shop 7') AS shop, 'visitor ' || i / 6 AS visitor,
    CASE WHEN i % 11 = 0 THEN NULL WHEN i % 13 = 0 THEN 'NaN' WHEN i % 17 = 0 THEN '-0'
        ELSE (i / 4 % 100)::float8 END AS price,
    1 + i % 3 AS weight, i % 5 = 0 AS held_back
FROM generate_series(1, 30000) i;

CREATE FUNCTION trained(ordering text, options jsonb DEFAULT '{}', given ctr_model DEFAULT NULL)
RETURNS ctr_model LANGUAGE plpgsql AS $$
DECLARE model ctr_model;
BEGIN
    EXECUTE format('SELECT ctr_train(c, $1, $2) FROM (SELECT * FROM clicks ORDER BY %s) c', ordering)
    INTO model USING ctr_fit(ignore => '{id,weight,held_back}',
                             epochs => 2) || '{"mlp_layers": [8]}' || options, given;
    RETURN model;
END $$;

-- in another order
CREATE TABLE cases (name text, options jsonb);
INSERT INTO cases VALUES ('default', '{}'), ('FiBiNET', '{"architecture": "fibinet", "d_embed": 4}'),
    ('DeepFM', '{"architecture": "deepfm"}'), ('Wide & Deep', '{"architecture": "wide_deep"}'),
    ('reference', '{"recipe": "reference", "epochs": 2}'),
    ('weights', '{"weight": "weight", "ignore": ["id", "held_back"]}'),
    ('held back', '{"validation_column": "held_back", "ignore": ["id", "weight"]}'),
    ('all train', '{"validation": 0}');
CREATE TABLE models AS SELECT name, options, trained('id', options) AS model FROM cases;
SELECT name, model = trained('id DESC', options) AS backwards,
       model = trained('hashint4(id)', options) AS shuffled FROM models ORDER BY name;

-- rows beyond the memory, which are sorted in files
SET maintenance_work_mem = '1MB';
SELECT name, model = trained('hashint4(id)', options) AS spilled FROM models ORDER BY name;
SET ctr.threads = 1;
SELECT name, model = trained('id DESC', options) AS one_thread FROM models ORDER BY name;
RESET ctr.threads;
RESET maintenance_work_mem;

-- going on from a model
SELECT name, trained('id', options, model) = trained('hashint4(id)', options, model) AS going_on
FROM models ORDER BY name;

-- what does differ: another row, another seed
SELECT model = trained('id', '{"seed": 1}') AS other_seed FROM models WHERE name = 'default';
UPDATE clicks SET shop = 'shop 1' WHERE id = 7;
SELECT model = trained('id') AS other_rows FROM models WHERE name = 'default';

-- the more frequent a category, the lower its code: shops, then visitors
SELECT count(*) AS categories, count(*) FILTER (WHERE f > before) AS rises FROM (
    SELECT f, lag(f) OVER (ORDER BY i) AS before
    FROM models, unnest(ctr_tensor(model, 'ctr.categorical.frequency')) WITH ORDINALITY u (f, i)
    WHERE name = 'default') s;

DROP SCHEMA row_order CASCADE;
