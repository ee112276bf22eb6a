-- epochs => 0: a network that is only set up; ctr_load_weights: weights that were trained elsewhere
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA load_weights;
SET search_path = load_weights, public;
\i sql/try.psql
\i sql/forge.psql
CREATE TABLE clicks AS
SELECT (hashint4(i) & 3 = 0)::int AS label, (i % 97)::float8 AS price, 'c' || i % 7 AS city, nullif('u' || i % 19, 'u3') AS site
FROM generate_series(1, 1000) i;
CREATE TABLE models (name text PRIMARY KEY, model ctr_model);
CREATE FUNCTION small(more jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT '{"epochs": 2, "mlp_layers": [8], "batch_size": 128, "min_count": 1}'::jsonb || more $$;
CREATE FUNCTION model(name text) RETURNS ctr_model LANGUAGE sql STABLE AS
$$ SELECT m.model FROM models m WHERE m.name = $1 $$;
-- the largest difference between the scores of two models
CREATE FUNCTION differ(a ctr_model, b ctr_model) RETURNS float8 LANGUAGE sql STABLE AS
$$ SELECT max(abs(ctr_predict(a, c) - ctr_predict(b, c))) FROM clicks c $$;

-- set up, in both recipes, for every network
INSERT INTO models
SELECT name, model
FROM (VALUES ('dcn', '{}'::jsonb), ('fibinet', '{"architecture": "fibinet"}'),
             ('deepfm', '{"architecture": "deepfm"}'), ('wide', '{"architecture": "wide_deep"}'),
             ('plain', '{"recipe": "reference"}')) o(name, more),
     LATERAL (SELECT ctr_train(c, small(more || '{"epochs": 0}')) AS model FROM clicks c) t;
SELECT name, ctr_describe(model) LIKE '%not trained' AS says_so, ctr_config(model)->'weights' AS weights,
       ctr_config(model)->'epochs' AS epochs, ctr_config(model)->'best_epoch' AS best,
       (SELECT count(*) FROM ctr_history(model)) AS history,
       (SELECT bool_and(ctr_predict(model, c) BETWEEN 0.05 AND 0.95) FROM clicks c) AS scores,
       model = model::bytea::ctr_model AS valid, ctr_report(model) LIKE '%Nothing has been trained%' AS report
FROM models ORDER BY name;
-- the robust recipe's begins with the labels' shares
SELECT abs(avg(ctr_predict(model('dcn'), c)) - avg(label)) < 0.1 AS mean FROM clicks c;
SELECT bool_and(ctr_plot(model, plot) LIKE '%not measured%') AS plots FROM models, unnest('{loss,auc}'::text[]) plot;
\x
SELECT t.* FROM unnest(ARRAY[$$ctr_importance(model('dcn'))$$, $$ctr_interactions(model('dcn'))$$,
    $$ctr_plot(model('dcn'), 'importance')$$, $$ctr_explain(model('dcn'), c) FROM clicks c LIMIT 1$$]) f,
    try('SELECT ' || f) t;
\x
-- in groups, and of rows with one label, as trainings are
SET client_min_messages = notice;
SELECT count(ctr_train) FROM (SELECT ctr_train(c, small('{"epochs": 0}')) FROM clicks c GROUP BY price < 40) t;
SET client_min_messages = error;
SELECT t.message FROM try($$SELECT ctr_train(c, ctr_fit(epochs => 0)) FROM clicks c WHERE label = 1$$) t;

-- a training goes on from there, by the recipe's epochs where nothing is said
INSERT INTO models SELECT name || ' trained', ctr_train(c, CASE WHEN name <> 'plain' THEN small('{}') END, model)
FROM models, clicks c GROUP BY name;
SELECT name, ctr_config(model)->'weights' AS weights, (SELECT count(*) FROM ctr_history(model)) AS history,
       ctr_config(model)->'options'->'epochs' AS epochs, (SELECT count(*) FROM ctr_importance(model)) AS importance
FROM models WHERE name LIKE '% trained' AND name NOT LIKE 'plain%' ORDER BY name;
SELECT ctr_config(model)->'options'->'epochs' AS epochs FROM models WHERE name = 'plain trained';
-- by the reference recipe as it would have from the start
SELECT ctr_state_dict(ctr_train(c, small('{}'), model('plain'))) = ctr_state_dict(ctr_train(c, small('{"recipe": "reference"}'))) AS same
FROM clicks c;

-- into a trained one: what its training measured is no longer true
SELECT ctr_config(t)->'weights' AS weights, (SELECT count(*) FROM ctr_history(t)) AS history, ctr_config(t)->'best_epoch' AS best,
       ctr_config(t)->'trained_at' AS trained_at, ctr_describe(t) LIKE '%val %' AS measured
FROM (SELECT ctr_load_weights(model('dcn trained'), ctr_state_dict(model('dcn')))) l(t);

-- weights of a trained network into one that was set up: its scores, without its history
CREATE TABLE loaded AS
SELECT name, ctr_load_weights(model, ctr_state_dict(model(name || ' trained'))) AS model
FROM models WHERE name NOT LIKE '% trained';
SELECT name, differ(model, model(name || ' trained')) = 0 AS same, ctr_state_dict(model) = ctr_state_dict(model(name || ' trained')) AS bytes,
       ctr_config(model)->'weights' AS weights, (SELECT count(*) FROM ctr_history(model)) AS history,
       ctr_describe(model) LIKE '%weights loaded' AS says_so, ctr_report(model) LIKE '%came by ctr_load_weights%' AS report,
       model = model::bytea::ctr_model AS valid, (ctr_config(model) - '{weights,epochs,best_epoch,options}'::text[]) =
       (ctr_config(model(name)) - '{weights,epochs,best_epoch,options}'::text[]) AS config
FROM loaded ORDER BY name;
SELECT ctr_load_weights(NULL, '') IS NULL AND ctr_load_weights(model('dcn'), NULL) IS NULL AS strict;
\x
SELECT t.* FROM try($$SELECT ctr_importance(model) FROM loaded WHERE name = 'dcn'$$) t;
\x
-- what features contribute is measured on rows, without a step
CREATE TABLE measured AS
SELECT name, ctr_train(c, ctr_fit(epochs => 0), model) AS model FROM loaded, clicks c GROUP BY name;
SELECT name, differ(m.model, l.model) = 0 AS same, ctr_config(m.model)->'weights' AS weights,
       (SELECT min(importance) >= 0 AND max(importance) > 0 FROM ctr_importance(m.model)) AS importance,
       (SELECT max(abs(a.importance - b.importance)) < 0.5 * max(b.importance)
        FROM ctr_importance(m.model) a JOIN ctr_importance(model(name || ' trained')) b USING (feature)) AS close,
       (SELECT count(*) > 0 FROM ctr_interactions(m.model)) AS interactions
FROM measured m JOIN loaded l USING (name) ORDER BY name;
-- the same for a trained model: its history stays
SELECT differ(m, model('dcn trained')) = 0 AS same, ctr_config(m)->'weights' AS weights,
       ctr_config(m)->'best_epoch' = ctr_config(model('dcn trained'))->'best_epoch' AS best
FROM (SELECT ctr_train(c, ctr_fit(epochs => 0), model('dcn trained')) AS m FROM clicks c) t;
-- and a training may go on from loaded weights
SELECT ctr_config(m)->'weights' AS weights, ctr_config(m)->'epochs' AS epochs
FROM (SELECT ctr_train(c, small('{}'), model) AS m FROM loaded, clicks c WHERE name = 'dcn') t;

-- what does not fit is named, all of it in one error
CREATE FUNCTION try_weights(network text, weights bytea, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE sql AS $$ SELECT * FROM try(format('SELECT ctr_load_weights(model(%L), %L)', network, weights)) $$;
CREATE TABLE weights AS SELECT ctr_state_dict(model('dcn trained')) AS file, ctr_state_dict(model('fibinet trained')) AS fibinet;
\x
SELECT t.* FROM weights, unnest(ARRAY[
    file(replace(header(file), '"last_linear.bias"', '"last.bias"'), data(file)),
    file(replace(replace(header(file), '"last_linear.bias"', '"module.last_linear.bias"'),
                 '"last_linear.weight":{"dtype":"F32","shape":[1,8]', '"last_linear.weight":{"dtype":"F32","shape":[8,1]'), data(file)),
    file(replace(header(file), 'num_batches_tracked":{"dtype":"I64"', 'num_batches_tracked":{"dtype":"F64"'), data(file)),
    file(replace(header(file), '"last_linear.bias":{"dtype":"F32"', '"last_linear.bias":{"dtype":"I32"'), data(file)),
    file('{}', ''), file(replace(header(file), '"last_linear.bias"', '"ctr.derived.bounds"'), data(file)), fibinet]) WITH ORDINALITY w(bytes, i), try_weights('dcn', bytes) t ORDER BY i;
SELECT t.* FROM try_weights('fibinet', (SELECT overlay(fibinet PLACING '\x0800000000000000' FROM 9 + header_size(fibinet) +
    (header(fibinet)::jsonb->'cat_embedding.offsets'->'data_offsets'->>0)::int + 8) FROM weights)) t;
-- endless names
SELECT t.detail FROM try_weights('dcn', file('{"' || repeat('x', 100000) || '":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', '')) t;

-- numbers that a model may not have
CREATE FUNCTION with_number(file bytea, tensor text, bytes bytea) RETURNS bytea LANGUAGE sql AS
$$ SELECT overlay(file PLACING bytes FROM 9 + header_size(file) + (header(file)::jsonb->tensor->'data_offsets'->>0)::int) $$;
SELECT t.state, t.message FROM weights, (VALUES ('last_linear.bias', '\x0000c07f'::bytea), ('last_linear.bias', '\x0000807f'),
    ('mlp.mlp.1.running_var', '\x000080bf'), ('mlp.mlp.1.num_batches_tracked', '\xffffffffffffffff')) n(tensor, bytes),
    try_weights('dcn', with_number(file, tensor, bytes)) t;

-- files that are cut off, or are none
SELECT t.state, t.message FROM weights, unnest(ARRAY['', 'nonsense'::bytea, 'nonsense!'::bytea, substr(file, 1, 7),
    substr(file, 1, length(file) - 1), file || '\x00', overlay(file PLACING '\xffffffffffffff7f' FROM 1),
    file('{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}', '\x00'),
    file('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,1]}}', '\x00')]) WITH ORDINALITY w(bytes, i),
    try_weights('dcn', bytes) t ORDER BY i;
SELECT t.state, t.message FROM weights, LATERAL (SELECT array_agg(DISTINCT (t.state, left(t.message, 24))) AS all_of_them
    FROM generate_series(0, length(file) - 1, 997) n, try_weights('dcn', substr(file, 1, n)) t) a, unnest(all_of_them) t(state text, message text);
-- a header of 100 MB, and one that is larger
SELECT t.state, t.message FROM unnest(ARRAY[0, 1]) more,
    try(format($$SELECT ctr_load_weights(model('dcn'), file('{}' || repeat(' ', 100000000 - 2 + %s), ''))$$, more)) t;
\x
-- what the format allows is taken: metadata of others, however many, blanks, tensors in another order, other floats
SELECT differ(ctr_load_weights(model('dcn'), bytes), model('dcn trained')) = 0 AS same
FROM weights, LATERAL (VALUES
    (file(replace(header(file), '{"format":"pt"}', (SELECT jsonb_object_agg('key' || i, 'value')::text FROM generate_series(1, 300) i)),
          data(file))),
    (file('{"__metadata__":{"format":"pt"},' || (SELECT string_agg(to_json(key)::text || ': ' || value, ', ' ORDER BY key DESC)
        FROM jsonb_each(header(file)::jsonb) WHERE key <> '__metadata__') || '}   ', data(file)))) w(bytes);

-- other floats, which become the model's
CREATE FUNCTION as_type(file bytea, dtype text, bytes bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT file(jsonb_set(header(file)::jsonb, '{last_linear.bias}', jsonb_build_object('dtype', dtype, 'shape', '[1]'::jsonb,
               'data_offsets', jsonb_build_array(at, at + length(bytes))))::text, substr(data(file), 1, at) || bytes)
    FROM (SELECT (header(file)::jsonb->'last_linear.bias'->'data_offsets'->>0)::int AS at) f $$; -- it is the last one
SELECT dtype, bytes, ctr_tensor(ctr_load_weights(model('dcn'), as_type(file, dtype, bytes)), 'last_linear.bias') = ARRAY[value::real] AS taken
FROM weights, (VALUES ('F16', '\x003e'::bytea, '1.5'), ('F16', '\x0100', '5.9604645e-08'), ('F16', '\xff83', '-6.097555e-05'),
    ('F16', '\xff7b', '65504'), ('F16', '\x0080', '0'), ('BF16', '\xc03f', '1.5'), ('BF16', '\x0180', '-9.1835e-41'), ('BF16', '\x7f7f', '3.3895314e+38'), ('F64', '\x000000000000f83f', '1.5'),
    ('F64', '\x9a9999999999b93f', '0.1')) v(dtype, bytes, value);
SELECT dtype, bytes, t.message FROM weights, (VALUES ('F16', '\x007c'::bytea), ('F16', '\x007e'), ('BF16', '\x80ff'), ('BF16', '\xc07f'),
    ('F64', '\xffffffffffffef7f'), ('I32', '\x00000000')) v(dtype, bytes), try_weights('dcn', as_type(file, dtype, bytes)) t;
DROP SCHEMA load_weights CASCADE;
