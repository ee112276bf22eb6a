-- ctr_model: its ways in and out, what is inside, and bytes that are none
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\pset null '-'

CREATE TABLE seen AS
SELECT (i * 7919 % 100 < 30)::int AS label, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'ü' END AS city,
       (i % 5)::text AS device,
       CASE WHEN i % 10 > 0 THEN (i * 31 % 97)::float8 END AS price
FROM generate_series(1, 200) i;
CREATE TABLE tried AS
SELECT 'cross' AS name, ctr_train(s, ctr_deepcross(n_cross => 1, mlp_layers => '{4}') ||
                                     ctr_fit(epochs => 2, patience => 5, min_count => 1, lr_schedule => 'cosine',
                                             crosses => 'none')) AS model FROM seen s
UNION ALL
SELECT 'pairs', ctr_train(s, ctr_fibinet(d_embed => 2, mlp_layers => '{4}') || ctr_fit(epochs => 1,
    min_count => 1, crosses => 'none')) FROM seen s;

-- every way out and in again gives the same bytes; the type is stored as it is
SELECT name, model::text::ctr_model::bytea = model::bytea AS text,
       ctr_model_send(model) = model::bytea AS binary,
       model::bytea::ctr_model::bytea = model::bytea AS cast,
       pg_column_size(model) >= length(model::bytea) AS uncompressed
FROM tried;
SET bytea_output = escape;
SELECT bool_and(model::text::ctr_model::bytea = model::bytea) AS escaped FROM tried;
RESET bytea_output;
\set VERBOSITY default
SELECT ctr_predict('dcn', s) FROM seen s;
\set VERBOSITY terse
SELECT typstorage, typlen FROM pg_type WHERE typname = 'ctr_model';
SELECT NULL::bytea::ctr_model IS NULL AS null_cast, ctr_config(NULL) IS NULL AS null_config;

-- inside
SELECT name, ctr_config(model) - '{options,best_epoch,ctr_version,format_version,trained_at}'::text[] AS config,
       (ctr_config(model)->'best_epoch')::int BETWEEN 1 AND 2 AS has_best FROM tried;
SELECT name, ctr_options(ctr_config(model)->'options') = ctr_config(model)->'options' AS options_are_valid,
       ctr_config(model)->'options'->>'recipe' AS recipe FROM tried;

-- its epochs
SELECT name, epoch, train_loss > 0 AS train_loss, val_loss > 0 AS val_loss,
       train_auc BETWEEN 0 AND 1 AS train_auc,
       val_auc BETWEEN 0 AND 1 AS val_auc, learning_rate, seconds >= 0 AS seconds
       FROM tried, ctr_history(model);
SELECT name, count(*) FILTER (WHERE is_best) AS best FROM tried, ctr_history(model)
GROUP BY name ORDER BY name;

-- its features and tensors
SELECT position, f.name, kind, categories, missing > 0 AS missing, imputed_value BETWEEN 0 AND 97 AS imputed
FROM tried t, ctr_features(model) f WHERE t.name = 'cross';
SELECT n.name, dtype, shape, bytes FROM tried t, ctr_tensors(model) n
WHERE t.name = 'cross' AND n.name !~ 'quantiles' ORDER BY n.name COLLATE "C";
SELECT n.name, dtype, shape FROM tried t, ctr_tensors(model) n
WHERE t.name = 'pairs' AND n.name !~ '^(ctr|mlp)\.' ORDER BY n.name COLLATE "C";
SELECT t.name, bool_and(array_length(ctr_tensor(model, n.name), 1) = coalesce(shape[1], 1)) AS lengths,
       bool_and(cardinality(ctr_tensor(model, n.name))
                = coalesce((SELECT exp(sum(ln(s))) FROM unnest(shape) s)::int, 1)) AS sizes
FROM tried t, ctr_tensors(model) n GROUP BY t.name ORDER BY 1;
SELECT ctr_tensor(model, 'cat_embedding.offsets') AS offsets,
       array_dims(ctr_tensor(model, 'num_embedding.weight')) FROM tried WHERE name = 'pairs';
SELECT (ctr_tensor(model, 'mlp.mlp.1.num_batches_tracked'))[1] = (ctr_config(model)->'best_epoch')::int
       AS steps, ctr_tensor(model, 'ctr.categorical.count') AS counts FROM tried WHERE name = 'cross';

-- tensors that it does not have
SELECT ctr_tensor(model, 'last_linear.bios') FROM tried WHERE name = 'cross';
SELECT ctr_tensor(model, '') FROM tried WHERE name = 'cross';

-- a safetensors file, taken apart and put together by hand
\i sql/forge.psql
CREATE FUNCTION attempt(file bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    model ctr_model;
BEGIN
    model := file::ctr_model;
    RETURN 'accepted' || CASE WHEN ctr_predict(model, (SELECT s FROM seen s LIMIT 1)) IS NOT NULL
        THEN ', scores' ELSE '' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

SELECT name, substr(model::bytea, 9, 27) = '{"__metadata__":{"digest":"'::bytea AS "begins with its digest",
       signed(model::bytea) = model::bytea AS "which is a SHA-256",
       (header_size(model::bytea) + 8) % 64 AS alignment,
       attempt(model::bytea), attempt(file(header(model::bytea), data(model::bytea))) FROM tried;
SELECT t.name, count(*) AS tensors,
       bool_and(header(s)::jsonb ? n.name = (n.name !~ '^ctr\.')) AS weights_only,
       header(s)::jsonb->'__metadata__' AS metadata
FROM tried t, ctr_state_dict(model) s, ctr_tensors(model) n GROUP BY t.name, s ORDER BY 1;

-- not a file at all
SELECT left(x::text, 40) AS bytes, attempt(x)
FROM unnest(ARRAY['', '\x00', '\x0000000000000000', '\x0100000000000000',
    '\xffffffffffffffff7b7d', '\x000000000000000100', '\x02000000000000007b7d', '\x03000000000000007b7d20',
    'a text of more than eight bytes']::bytea[]) x;
SELECT attempt(ctr_state_dict(model)) AS "weights only" FROM tried WHERE name = 'cross';
SELECT 'nothing'::ctr_model;
SELECT '\xzz'::ctr_model;

-- headers that are not what they should be; the data are 8 bytes
SELECT CASE WHEN length(h) > 90 THEN left(h, 30) || '…' ELSE h END AS header,
       attempt(file(h, '\x0000000000000000')) FROM unnest(ARRAY[
    '', ' {}', '[]', '1', '{', '{}}', '{"a"}', '{"a": 1}', '{"a": []}', '{"a": {}}',
    '{"a": {"dtype": "F64"}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0]}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8, 16]}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [8, 0]}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 16]}}',
    '{"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [-8, 0]}}',
    '{"a": {"dtype": "F64", "shape": [-1], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": [1.0], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": ["1"], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": [[1]], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": [99999999999999999999], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": [2147483648, 2147483648, 4], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": [1,1,1,1,1,1,1,1,1], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F8_E5M2", "shape": [8], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": ["F64"], "shape": [1], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8], "more": 1}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}, "a": {"dtype": "F64", "shape": [0], '
    '"data_offsets": [8, 8]}}',
    '{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}, "b": {"dtype": "F64", "shape": [1], '
    '"data_offsets": [0, 8]}}',
    '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
    '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
    '{"a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}, "b": {"dtype": "F32", "shape": [1], '
    '"data_offsets": [4, 8]}}',
    '{"__metadata__": 1}', '{"__metadata__": {"a": 1}}', '{"__metadata__": {"a": {"b": "c"}}}',
    '{"__metadata__": {"a": ["b"]}}',
    '{"__metadata__": {"a": "1", "a": "2"}, "a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}',
    '{"__metadata__": {}, "__metadata__": {}}',
    '{"__metadata__": {"a": "\u0000"}}', '{"__metadata__": {"a": "\ud800"}}',
    '{"a": {"dtype": "F64", "shape": [], "data_offsets": [0, 8]}}',
    '{"a": ' || repeat('{"a": ', 100000), '{"a": ' || repeat('[', 100000), repeat('{"a": ', 100000)]) h;
SELECT attempt(little_endian(3, 8) || '\x7b7d00') AS nul,
       attempt(little_endian(3, 8) || '\x7b7dff') AS "not UTF-8";

-- a good file with one thing changed in its header, and signed again
SELECT before, CASE WHEN length(after) > 60 THEN left(after, 30) || '…' ELSE after END AS after,
       attempt(changed(model::bytea, before, after))
FROM tried, (VALUES
    ('"format_version":"2"', '"format_version":"3"'), ('"format_version":"2"', '"format_version":"1"'),
    ('"format_version":"2"', '"format_version":"0"'),
    ('"format_version":"2"', '"format_version":""'), ('"format_version"', '"format"'),
    ('"training_rows":"160"', '"training_rows":"-1"'),
    ('"training_rows":"160"', '"training_rows":"9999999999999999999"'),
    ('"numerical":"[\"price\"]"', '"numerical":"[\"city\"]"'),
    ('"numerical":"[\"price\"]"', '"numerical":"[\"\"]"'),
    ('"numerical":"[\"price\"]"', '"numerical":"[]"'),
    ('"numerical":"[\"price\"]"', '"numerical":"\"price\""'),
    ('"numerical":"[\"price\"]"', '"numerical":"[1]"'),
    ('"numerical":"[\"price\"]"', '"numerical":"[\"price\""'),
    ('"numerical":"[\"price\"]"',
     '"numerical":"' || array_to_string(array_fill('[0'::text, '{999}'), ',') || '"'),
    ('"numerical":"[\"price\"]"', '"numerical":"[\"price\", \"more\"]"'),
    ('\"epochs\": 2', '\"epochs\": 0'), ('\"epochs\": 2', '\"epoch\": 2'),
    ('\"n_cross\": 1', '\"n_cross\": 2'),
    ('\"n_cross\": 1', '\"n_cross\": 64'), ('\"mlp_layers\": [4]', '\"mlp_layers\": [16384, 16384]'),
    ('\"d_embed_max\": 8', '\"d_embed_max\": 1'), ('\"n_classes\": 1', '\"n_classes\": 3'),
    ('\"stacked\": true', '\"stacked\": false'),
    ('\"cross_type\": \"matrix\"', '\"cross_type\": \"mix\"'), ('"options":"{', '"options":"{{'),
    ('"options":', '"option":'),
    ('"last_linear.bias"', '"last_linear.bios"'), ('"ctr.history"', '"ctr.story"'),
    ('"shape":[1,4]', '"shape":[4,1]'), ('"shape":[1,4]', '"shape":[4]'),
    ('"last_linear.weight":{"dtype":"F32"', '"last_linear.weight":{"dtype":"I32"'),
    ('"last_linear.bias":', '"more":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"last_linear.bias":'),
    ('"last_linear.bias":',
     '"ctr.more":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"last_linear.bias":')) c(before, after)
WHERE name = 'cross';

-- a good file with one number changed in its data, and signed again
SELECT tensor, at, bytes, attempt(overwritten(model::bytea, tensor, at, bytes)) FROM tried, (VALUES
    ('ctr.numerical.kind', 0, '\x04'::bytea), ('ctr.numerical.kind', 0, '\x01'),
    ('ctr.numerical.quantile_count', 0, '\xffffffff'), ('ctr.numerical.quantile_count', 0, '\x00000000'),
    ('ctr.numerical.mean', 0, '\x000000000000f07f'), ('ctr.numerical.scale', 0, '\x0000000000000000'),
    ('ctr.numerical.low', 0, '\x000000000000f87f'), ('ctr.numerical.low', 0, '\x0000000000005940'),
    ('ctr.numerical.quantiles', 0, '\x0000000000005940'),
    ('ctr.numerical.quantiles', 8, '\x000000000000f8ff'),
    ('ctr.features.missing', 0, '\xffffffffffffffff'), ('ctr.categorical.frequency', 0, '\xffffffff'),
    ('ctr.categorical.count', 0, '\x03000000'), ('ctr.categorical.count', 0, '\xffffffff'),
    ('ctr.categorical.count', 4, '\xffffffff'),
    ('ctr.categorical.end', 0, '\xffffffff'), ('ctr.categorical.end', 4, '\x00000000'),
    ('ctr.categorical.end', 24, '\x07000000'),
    ('ctr.categorical.bytes', 3, '\x3030'), ('ctr.history', 0, '\x000000000000f87f'),
    ('last_linear.bias', 0, '\x0000c07f'), ('last_linear.bias', 0, '\x0000807f'),
    ('mlp.mlp.1.running_var', 0, '\x000080bf'),
    ('mlp.mlp.1.num_batches_tracked', 0, '\xffffffffffffffff')) c(tensor, at, bytes)
WHERE name = 'cross';
SELECT attempt(overwritten(model::bytea, 'cat_embedding.offsets', 8, '\x00')) FROM tried WHERE name = 'pairs';
SELECT attempt(changed(model::bytea, '\"bilinear_type\": \"field_interaction\"',
                       '\"bilinear_type\": \"field_all\"')) FROM tried WHERE name = 'pairs';

-- weights that no training leaves: where they overflow, every function that scores says so
CREATE TABLE overflowing AS
SELECT overwritten(overwritten(model::bytea, 'mlp.mlp.0.weight', 0, huge), 'last_linear.weight', 0,
                   substr(huge, 1, 16))::ctr_model AS model, r.*
FROM tried, decode(repeat('0000007f', 48), 'hex') huge, (SELECT * FROM seen LIMIT 3) r WHERE name = 'cross';
\set VERBOSITY default
SELECT ctr_predict(model, o) FROM overflowing o;
\set VERBOSITY terse
SELECT ctr_predict_classes(model, o) FROM overflowing o;
SELECT ctr_predict_batch(model, o) OVER () FROM overflowing o;
SELECT ctr_evaluate(model, o) FROM overflowing o;
SELECT ctr_drift(model, o) FROM overflowing o;
SELECT ctr_explain(model, o) FROM overflowing o;
SELECT ctr_interactions(model) FROM overflowing;
SELECT ctr_plot(model, 'interactions') FROM overflowing;
SELECT ctr_report(model) FROM overflowing;

-- where a model is very sure, scores differ still, and what is lost by being wrong is not cut off
CREATE TABLE sure AS SELECT bias, overwritten(model::bytea, 'last_linear.bias', 0, bytes)::ctr_model AS model
FROM tried, (VALUES (-300, '\x000096c3'::bytea), (-15, '\x000070c1'), (15, '\x00007041'),
                    (300, '\x00009643')) b(bias, bytes) WHERE name = 'cross';
SELECT bias, round((loss / abs(bias))::numeric, 1) AS loss_by_bias, n > 50 AS scores_differ,
       abs(auc - a) < 1e-3 AS same_auc, abs(loss - l) < 1e-5 AS same_loss
FROM sure, LATERAL (SELECT (ctr_evaluate(model, s)).* FROM seen s) e,
     LATERAL (SELECT count(DISTINCT p) AS n, ctr_auc(label, p) AS a, ctr_logloss(label, p) AS l
              FROM (SELECT label, ctr_predict(model, s) AS p FROM seen s) x) x
ORDER BY bias;
SELECT bool_and(k[1] > 0 AND k[2] > 0 AND abs(b - k[2]) < 1e-6) AS both_open FROM (
  SELECT ctr_predict_classes(model, s) AS k, ctr_predict_batch(model, s) OVER () AS b FROM sure, seen s
  WHERE abs(bias) = 15) x;
DROP TABLE overflowing, sure;

-- cut short, longer, a bit flipped: the digest, or what is read before it, finds all of them
SELECT name, count(*) > 100 AS many,
       count(*) FILTER (WHERE attempt(substr(model::bytea, 1, n)) NOT LIKE '22P03: invalid ctr_model: %')
           AS accepted
FROM tried, generate_series(0, length(model::bytea) - 1, 41) n GROUP BY name ORDER BY name;
SELECT name, attempt(model::bytea || '\x00') FROM tried;
SELECT name, count(*) > 100 AS many,
       count(*) FILTER (WHERE attempt(set_bit(model::bytea, n, 1 - get_bit(model::bytea, n))) LIKE
                              'accepted%') AS accepted
FROM tried, generate_series(0, 8 * length(model::bytea) - 1, 311) n GROUP BY name ORDER BY name;

-- models are equal when all but their seconds is, wherever they come from: GROUP BY, joins, hash partitions
SELECT count(*) AS pairs, count(*) FILTER (WHERE a.model = b.model) AS equal,
       count(*) FILTER (WHERE a.model <> b.model) AS differ,
       count(*) FILTER (WHERE (a.model = b.model) IS DISTINCT FROM (a.model::bytea = b.model::bytea)) AS wrong
       FROM tried a, tried b;
SELECT count(*) = (SELECT count(*) FROM tried) AS groups, max(n) AS of_each FROM (
    SELECT model, count(*) AS n FROM (SELECT model FROM tried UNION ALL SELECT model::bytea::ctr_model
        FROM tried) t GROUP BY model) g;
CREATE TABLE partitioned (model ctr_model) PARTITION BY HASH (model);
CREATE TABLE partition_0 PARTITION OF partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE partition_1 PARTITION OF partitioned FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO partitioned SELECT model FROM tried;
SELECT count(*) = (SELECT count(*) FROM tried) AS found FROM partitioned p JOIN tried t USING (model);
DROP TABLE partitioned;

-- a bit flipped and signed again: refused or able to score, the server alive in any case
SELECT name, count(*) > 100 AS many,
       count(*) = count(attempt(signed(set_bit(model::bytea, n, 1 - get_bit(model::bytea, n))))) AS alive
FROM tried, generate_series(8 * 99, 8 * length(model::bytea) - 1, 113) n GROUP BY name ORDER BY name;

-- random bytes, alone and behind a good beginning
SELECT count(*) AS tries, count(*) FILTER (WHERE attempt(r) LIKE 'accepted%'
    OR attempt(little_endian(n % 200, 8) || r) LIKE 'accepted%'
    OR attempt(signed(substr(model::bytea, 1, 99 + n * 7) || r)) LIKE 'accepted%') AS accepted
FROM tried, generate_series(0, 300) n,
     LATERAL (SELECT string_agg(sha256(int4send(n) || int4send(i)), '') AS r FROM generate_series(1, 8) i) x
     WHERE name = 'cross';

-- threads put many categories into their tables while the rest is read: errors there, or in what they
-- find, leave nothing behind
SET ctr.max_threads = 3;
SET ctr.threads = 3;
CREATE TABLE many AS SELECT (i % 3 = 0)::int AS label, 'key ' || i AS a, i || '' AS b, i % 7 AS n
FROM generate_series(1, 40000) i, generate_series(1, greatest(31 - i, 1));

-- the first keys are the most frequent, and lie first
CREATE TABLE large AS
SELECT ctr_train(m, ctr_deepcross(mlp_layers => '{8}') || ctr_fit(recipe => 'reference', epochs => 1,
    validation => 0)) AS model FROM many m;
SELECT (SELECT count(*) FROM ctr_features(model)) AS features,
       (SELECT count(DISTINCT (ctr_encode(model, m)).x_cat) FROM many m WHERE n = 3) AS rows_apart FROM large;
SELECT attempt(changed(model::bytea, 'ctr.history', 'ctr.histori')) AS "an error while they work" FROM large;
SELECT attempt(signed(overlay(model::bytea PLACING '21' FROM position('key 22key 23'::bytea IN model::bytea)
    + 4))) AS "a category twice" FROM large;

-- text that is read in several pieces: bytea's blanks between bytes, wherever a piece ends, and bytea's
-- errors
CREATE FUNCTION said(query text, text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    EXECUTE query INTO found USING $2;
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT kind, said('SELECT md5($1::ctr_model::bytea)', text) = said('SELECT md5($1::bytea)', text) AS as_bytea,
       said('SELECT ''read'' WHERE $1::ctr_model IS NOT NULL', text) AS said
FROM (SELECT substr(ctr_train(s, ctr_deepcross(mlp_layers => '{300,200}')
                                 || ctr_fit(epochs => 1, min_count => 1))::text, 3) AS d
      FROM seen s OFFSET 0) m, LATERAL (VALUES
    ('blanks', '\x' || d || E' \r\n'), ('a blank first', '\x ' || d), ('two', E'\\x\t ' || d),
    ('blanks here and there', '\x' || (SELECT string_agg(substr(d, n, 99998), E' \n\t' ORDER BY n)
                                       FROM generate_series(1, length(d), 99998) n)),
    ('a blank within a byte', '\x' || overlay(d PLACING ' ' FROM 300000 FOR 0)),
    ('half a byte', '\x' || left(d, -1)), ('half a byte before a blank', '\x' || left(d, -1) || ' '),
    ('no digit', '\x' || overlay(d PLACING 'g' FROM 300000)),
    ('half a byte, where a piece ends', '\x' || left(d, 262143)), ('capitals', '\x' || upper(d)),
    ('a letter of two bytes, where a piece ends', '\x' || overlay(d PLACING 'é' FROM 262144))
    ) v(kind, text);
DROP FUNCTION said;
DROP TABLE many, large;
RESET ctr.max_threads;
RESET ctr.threads;

DROP TABLE seen, tried;
DROP FUNCTION attempt, changed, overwritten, signed, file, data, header, header_size, little_endian;
