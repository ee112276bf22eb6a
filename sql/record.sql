-- the options in a model's bytes: every value comes back; what a later version may have written is read or
-- refused
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/forge.psql

CREATE TABLE rows AS
SELECT i % 2 AS label, i % 5 = 0 AS held, 1.5 AS w, i % 7 AS x, 'c' || i % 5 AS c, 'd' || i % 3 AS d
FROM generate_series(1, 40) i;
CREATE FUNCTION trained(options jsonb) RETURNS ctr_model LANGUAGE sql AS
$$ SELECT ctr_train(r, '{"epochs": 1, "min_count": 1, "mlp_layers": [2], "ignore": ["held", "w"], "lr_schedule": "cosine",
             "crosses": "none"}' || options)
   FROM rows r $$;

-- what the model's record makes of the options that were given, in the bytes and out of them again
CREATE FUNCTION comes_back(options jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    model ctr_model := trained(options);
    config jsonb := ctr_config(model::text::ctr_model)->'options';
BEGIN
    RETURN CASE WHEN config @> options AND ctr_train(r, '{}', model) IS NOT NULL THEN 'yes'
        ELSE config::text END FROM rows r;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- values of every option, the ends of its range among them
CREATE TABLE values_of AS SELECT architecture, key, value FROM (VALUES
    ('deepcross', 'cross_type', '["matrix", "vector", "mix"]'::jsonb), ('deepcross', 'n_cross', '[0, 64]'),
    ('deepcross', 'low_rank', '[1, 4096]'),
    ('deepcross', 'n_experts', '[1, 64]'), ('deepcross', 'd_embed_max', '[1, 1024]'),
    ('deepcross', 'stacked', '[true, false]'),
    ('deepcross', 'mlp_layers', '[[1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [16384]]'),
    ('deepcross', 'n_classes', '[1, 2, 1000]'),
    ('fibinet', 'd_embed', '[1, 1024]'), ('fibinet', 'reduction_ratio', '[0.1, 1000, 1.0000001]'),
    ('fibinet', 'bilinear_type', '["field_interaction", "field_each", "field_all"]'),
    ('fibinet', 'mlp_dropout', '[0, 0.99, 0.1]'), ('deepcross', 'label', '["label"]'),
    ('deepcross', 'weight', '["w"]'), ('deepcross', 'validation_column', '["held"]'),
    ('deepcross', 'numerical', '[["x"], []]'), ('deepcross', 'categorical', '[["c", "x"]]'),
    ('deepcross', 'ignore', '[["held", "w", "d"]]'),
    ('deepcross', 'recipe', '["robust", "reference"]'), ('deepcross', 'validation', '[0, 0.9, 0.07]'),
    ('deepcross', 'epochs', '[1, 2]'), ('deepcross', 'batch_size', '[1, 1048576]'),
    ('deepcross', 'learning_rate', '[1e-9, 10, 0.0012345678901234]'),
    ('deepcross', 'lr_schedule', '["constant", "cosine", "plateau"]'),
    ('deepcross', 'weight_decay', '[0, 1]'), ('deepcross', 'embedding_decay', '[0, 1]'),
    ('deepcross', 'embedding_init', '[0, 10]'), ('deepcross', 'clip_norm', '[0, 1e6]'),
    ('deepcross', 'patience', '[0, 100000]'), ('deepcross', 'monitor', '["val_auc", "val_loss"]'),
    ('deepcross', 'min_count', '[1, 1000000000]'),
    ('deepcross', 'numerical_transform', '["quantile", "standard", "log", "none"]'),
    ('deepcross', 'numerical_buckets', '[0, 256]'),
    ('deepcross', 'target_statistics', '[true, false]'),
    ('deepcross', 'crosses', '["none", "auto", [["c", "d"]]]'), ('deepcross', 'cross_counts', '[true, false]'),
    ('deepcross', 'candidates', '[1]'), ('deepcross', 'seed', '[0, 9007199254740991]'),
    ('deepcross', 'threads', '[0, 1024]'),
    ('deepcross', 'max_seconds', '[0, 1e9]'), ('deepcross', 'if_untrainable', '["error", "null"]'),
    ('fibinet', 'architecture', '["fibinet"]'),
    ('deepfm', 'architecture', '["deepfm"]'), ('deepfm', 'd_embed', '[1, 1024]'),
    ('wide_deep', 'architecture', '["wide_deep"]'),
    ('wide_deep', 'd_embed', '[1, 1024]')) v(architecture, key, list), jsonb_array_elements(list) value;
SET ctr.threads = 1;
SET ctr.max_threads = 2;
SELECT key, value, comes_back
FROM (SELECT key, value, comes_back(jsonb_build_object('architecture', architecture, key, value))
      FROM values_of) v WHERE comes_back <> 'yes';

-- all of them: an option without a row in the record would not come back; epochs is tried by itself, for
-- it takes its time, and candidates need two
SELECT key AS "not tried" FROM (SELECT jsonb_object_keys(ctr_config(trained(o))->'options') AS key
                                FROM unnest(ARRAY[ctr_deepcross(), ctr_fibinet(), ctr_deepfm(), ctr_wide_deep()]) o) k
WHERE key NOT IN (SELECT key FROM values_of);
SELECT comes_back('{"epochs": 100000, "max_seconds": 1e-9}') AS "epochs at the limit",
       comes_back('{"candidates": 8, "epochs": 2}') AS "candidates at the limit";

-- files of later versions: unknown keys and values among the training's options are left aside, in favour
-- of the recipe's
CREATE TABLE model AS SELECT trained('{"epochs": 3, "patience": 7}') AS model;
CREATE FUNCTION attempt(file bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    model ctr_model;
    options jsonb;
BEGIN
    model := file::ctr_model;
    options := ctr_config(model)->'options';
    RETURN format('epochs %s, patience %s, schedule %s', options->'epochs', options->'patience',
                  options->'lr_schedule') ||
           CASE WHEN ctr_train(r, '{"epochs": 1}', model) IS NOT NULL THEN ', trains on' END FROM rows r;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE FUNCTION escaped(text) RETURNS text LANGUAGE sql AS $$ SELECT trim('"' FROM to_json($1)::text) $$;
\pset format unaligned
SELECT header(model::bytea)::jsonb->'__metadata__'->>'options' AS record FROM model;
\pset format aligned
SELECT before, after, attempt(changed(changed(model::bytea, '"ctr_version":"0.1.0"', '"ctr_version":"7.8.9"'),
                                      before, after)) FROM model, (VALUES
    ('', ''),
    ('\"epochs\": 3', '\"epochs\": 3,\"repeats\": 9'),
    ('\"epochs\": 3', '\"repeats\": {\"of\": [1, [2, {}]]}'), ('\"epochs\": 3', '\"epochs\": 1e9'),
    ('\"patience\": 7', '\"patience\": \"some\"'),
    ('\"lr_schedule\": \"cosine\"', '\"lr_schedule\": \"step\"'),
    ('\"recipe\": \"robust\"', '\"recipe\": \"best\"'), ('\"seed\": 42', '\"seed\": 42.5'),
    ('\"epochs\": 3', '\"epochs\": null'),
    ('\"n_cross\": 2', '\"n_cross\": 2,\"gates\": 4'), ('\"n_cross\": 2', '\"n_cross\": 65'),
    ('\"n_cross\": 2', '\"n_cross\": 2,\"d_embed\": 4'),
    ('\"cross_type\": \"matrix\"', '\"cross_type\": \"tensor\"'),
    ('\"architecture\": \"deepcross\"', '\"architecture\": \"deepfm\"'),
    ('\"stacked\": true', '\"stacked\": \"twice\"'), ('\"mlp_layers\": [2]', '\"mlp_layers\": [2, \"auto\"]'),
    ('\"mlp_layers\": [2]', '\"mlp_layers\": []'),
    ('\"numerical_transform\": \"quantile\"', '\"numerical_transform\": \"rank\"'),
    ('\"target_statistics\": true', '\"target_statistics\": true,\"triples\": [[\"c\", \"d\", \"e\"]]'),
    ('\"crosses\": \"none\"', '\"crosses\": \"some\"'), ('\"crosses\": \"none\"', '\"crosses\": [[\"c\"]]'),
    ('\"crosses\": \"none\"', '\"crosses\": [[\"c\", \"d\", \"e\"]]'), ('\"crosses\": \"none\"', '\"crosses\": [7]'),
    ('\"crosses\": \"none\"', '\"crosses\": \"auto\"'),
    ('\"n_classes\": 1', '\"n_classes\": 3'), ('\"weight\": null', '\"weight\": [\"w\", \"x\"]'),
    ('\"training\": {', '\"serving\": {}, \"training\": {'),
    ('\"n_cross\": 2,', ''), ('\"label\": \"label\"', '\"label\": null'), ('\"training\": {', '\"drill\": {'),
    ('\"training\": {\"', '\"training\": [], \"more\": {\"'),
    ('\"epochs\": 3', '\"epochs\": 3,\"epochs\": 3'), ('\"n_cross\": 2', '\"n_cross\": 2,\"n_cross\": 3'),
    ('\"label\": \"label\"', '\"label\": \"label\",\"label\": \"held\"'), ('\"training\": {', '\"training\": {}, \"training\": {'),
    ('"format_version":"2"', '"format_version":"3"')) c(before, after);
-- whatever stands there instead of a value: it is refused, or the model trains on; where it names a column of
-- the rows, they must have it and it must be fit
SELECT key, junk, answer FROM (
    SELECT key, junk, attempt(changed(model::bytea, escaped(record),
               escaped(jsonb_set(record::jsonb, ARRAY[section, key], junk)::text))) AS answer
    FROM (SELECT model, header(model::bytea)::jsonb->'__metadata__'->>'options' AS record FROM model) m,
         jsonb_each(record::jsonb) sections(section, keys), jsonb_object_keys(keys) key,
         unnest('{null,true,-1,3.5,1e300,"\"c\"","[\"x\",\"x\"]","[[\"c\",\"c\"]]","{\"a\":[]}"}'::jsonb[]) junk) a
WHERE answer !~ '^(22P03: invalid|0A000: ctr_model was|epochs .* trains on|22023: column|42703: |42804: )';
\set VERBOSITY default
SELECT changed(model::bytea, '\"n_cross\": 2', '\"n_cross\": 2,\"gates\": 4')::ctr_model FROM model;
SELECT changed(model::bytea, '"format_version":"2"', '"format_version":"1"')::ctr_model FROM model;
\set VERBOSITY terse

RESET ctr.threads; RESET ctr.max_threads;
DROP TABLE rows, values_of, model;
DROP FUNCTION trained, comes_back, attempt, escaped, changed, overwritten, signed, file, data, header, header_size,
little_endian;
