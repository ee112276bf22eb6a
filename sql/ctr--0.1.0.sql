/* ctr--0.1.0.sql: the SQL face of ctr. Sections follow the documentation: type, options, aggregates, scoring, inside, out. */

\echo Use "CREATE EXTENSION ctr" to load this file. \quit

-- ------------------------------------------------------------------ type ctr_model

CREATE TYPE ctr_model;

CREATE FUNCTION ctr_model_in(cstring) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_in(cstring) IS 'input function of ctr_model: bytea''s, and the bytes are validated';
CREATE FUNCTION ctr_model_out(ctr_model) RETURNS cstring
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_out(ctr_model) IS 'output function of ctr_model: bytea''s';
CREATE FUNCTION ctr_model_recv(internal) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_recv(internal) IS 'binary input function of ctr_model: bytea''s, and the bytes are validated';
CREATE FUNCTION ctr_model_send(ctr_model) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_send(ctr_model) IS 'binary output function of ctr_model: bytea''s';

CREATE TYPE ctr_model (
    INPUT = ctr_model_in, OUTPUT = ctr_model_out, RECEIVE = ctr_model_recv, SEND = ctr_model_send,
    INTERNALLENGTH = VARIABLE, STORAGE = external);
COMMENT ON TYPE ctr_model IS
    'A trained model: one safetensors file with weights, vocabularies, transforms, options and history. Made by ctr_train, read by ctr_predict.';

CREATE FUNCTION ctr_model(bytea) RETURNS ctr_model
    AS 'MODULE_PATHNAME', 'ctr_model_from_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model(bytea) IS
    'A model from its bytes, which are validated in full: what is accepted can be scored. Error 0A000 for a model that needs a later version of ctr, 22P03 for anything else.';

CREATE CAST (bytea AS ctr_model) WITH FUNCTION ctr_model(bytea);
COMMENT ON CAST (bytea AS ctr_model) IS 'validates a model''s bytes';
CREATE CAST (ctr_model AS bytea) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (ctr_model AS bytea) IS 'a model''s bytes, one safetensors file; free of work';

CREATE FUNCTION ctr_model_eq(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_eq(ctr_model, ctr_model) IS 'whether two models are the same but for the wall-clock seconds of their epochs, by their SHA-256; reads their first slices only';
CREATE FUNCTION ctr_model_ne(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_ne(ctr_model, ctr_model) IS 'whether two models differ in more than the wall-clock seconds of their epochs, by their SHA-256; reads their first slices only';
CREATE FUNCTION ctr_model_hash(ctr_model) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_hash(ctr_model) IS 'hash of a model, for GROUP BY and hash joins';
CREATE FUNCTION ctr_model_hash_extended(ctr_model, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_hash_extended(ctr_model, bigint) IS 'hash of a model, salted: for hash partitions';

CREATE OPERATOR = (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = eqsel, JOIN = eqjoinsel, HASHES);
COMMENT ON OPERATOR = (ctr_model, ctr_model) IS 'the same model: all but the wall-clock seconds of its epochs';
CREATE OPERATOR <> (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = neqsel, JOIN = neqjoinsel);
COMMENT ON OPERATOR <> (ctr_model, ctr_model) IS 'not the same model';
CREATE OPERATOR CLASS ctr_model_ops DEFAULT FOR TYPE ctr_model USING hash AS
    OPERATOR 1 =, FUNCTION 1 ctr_model_hash(ctr_model), FUNCTION 2 ctr_model_hash_extended(ctr_model, bigint);
COMMENT ON OPERATOR CLASS ctr_model_ops USING hash IS 'equality of models: GROUP BY, DISTINCT, hash joins, REPLICA IDENTITY FULL';
COMMENT ON OPERATOR FAMILY ctr_model_ops USING hash IS 'equality of models';

-- ------------------------------------------------------------------ options

CREATE FUNCTION ctr_options(jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_options(jsonb) IS
    'Returns options as they are, if ctr_train will take them. Error 22023 for an unknown key, a wrong type or a value out of range, with the nearest valid key.';

CREATE FUNCTION ctr_deepcross(
    cross_type text DEFAULT 'matrix', n_cross integer DEFAULT 2, low_rank integer DEFAULT 32,
    n_experts integer DEFAULT 4, d_embed_max integer DEFAULT 8, mlp_layers integer[] DEFAULT '{128,64,32}',
    mlp_dropout float8 DEFAULT 0.25, stacked boolean DEFAULT true, n_classes integer DEFAULT 1)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ctr_options(jsonb_strip_nulls(jsonb_build_object(
        'architecture', 'deepcross', 'cross_type', cross_type, 'n_cross', n_cross, 'low_rank', low_rank,
        'n_experts', n_experts, 'd_embed_max', d_embed_max, 'mlp_layers', mlp_layers, 'mlp_dropout', mlp_dropout,
        'stacked', stacked, 'n_classes', n_classes)));
END;
COMMENT ON FUNCTION ctr_deepcross(text, integer, integer, integer, integer, integer[], float8, boolean, integer) IS
    'Options of a DeepCross network. cross_type: ''matrix'' (DCN-V2), ''vector'' (DCN) or ''mix'' (DCN-Mix, with n_experts of rank low_rank); n_cross layers; embeddings as wide as the square root of their categories, at most d_embed_max; an MLP of mlp_layers after the crosses (stacked) or beside them. Join with ctr_fit() by ||.';

CREATE FUNCTION ctr_fibinet(
    d_embed integer DEFAULT 8, mlp_layers integer[] DEFAULT '{128,64,32}', mlp_dropout float8 DEFAULT 0.25,
    reduction_ratio float8 DEFAULT 3, bilinear_type text DEFAULT 'field_interaction', n_classes integer DEFAULT 1)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ctr_options(jsonb_strip_nulls(jsonb_build_object(
        'architecture', 'fibinet', 'd_embed', d_embed, 'mlp_layers', mlp_layers, 'mlp_dropout', mlp_dropout,
        'reduction_ratio', reduction_ratio, 'bilinear_type', bilinear_type, 'n_classes', n_classes)));
END;
COMMENT ON FUNCTION ctr_fibinet(integer, integer[], float8, float8, text, integer) IS
    'Options of a FiBiNET network. Embeddings of width d_embed for every feature, SENet attention over them with n / reduction_ratio hidden units, bilinear interactions of all pairs with one matrix per pair (''field_interaction''), per feature (''field_each'') or in all (''field_all''), then an MLP of mlp_layers, plus a linear part. Join with ctr_fit() by ||.';

CREATE FUNCTION ctr_fit(
    label text DEFAULT NULL, weight text DEFAULT NULL, numerical text[] DEFAULT NULL,
    categorical text[] DEFAULT NULL, ignore text[] DEFAULT NULL, validation float8 DEFAULT NULL,
    validation_column text DEFAULT NULL, recipe text DEFAULT NULL, epochs integer DEFAULT NULL,
    batch_size integer DEFAULT NULL, learning_rate float8 DEFAULT NULL, lr_schedule text DEFAULT NULL,
    weight_decay float8 DEFAULT NULL, embedding_decay float8 DEFAULT NULL, patience integer DEFAULT NULL,
    monitor text DEFAULT NULL, min_count integer DEFAULT NULL, numerical_transform text DEFAULT NULL,
    target_statistics boolean DEFAULT NULL, seed bigint DEFAULT NULL, threads integer DEFAULT NULL,
    max_seconds float8 DEFAULT NULL, embedding_init float8 DEFAULT NULL, clip_norm float8 DEFAULT NULL,
    numerical_buckets integer DEFAULT NULL, if_untrainable text DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT ctr_options(jsonb_strip_nulls(jsonb_build_object(
        'label', label, 'weight', weight, 'numerical', numerical, 'categorical', categorical, 'ignore', ignore,
        'validation', validation, 'validation_column', validation_column, 'recipe', recipe, 'epochs', epochs,
        'batch_size', batch_size, 'learning_rate', learning_rate, 'lr_schedule', lr_schedule,
        'weight_decay', weight_decay, 'embedding_decay', embedding_decay, 'patience', patience,
        'monitor', monitor, 'min_count', min_count, 'numerical_transform', numerical_transform,
        'target_statistics', target_statistics, 'seed', seed, 'threads', threads, 'max_seconds', max_seconds,
        'embedding_init', embedding_init, 'clip_norm', clip_norm, 'numerical_buckets', numerical_buckets,
        'if_untrainable', if_untrainable)));
END;
COMMENT ON FUNCTION ctr_fit(text, text, text[], text[], text[], float8, text, text, integer, integer, float8, text,
    float8, float8, integer, text, integer, text, boolean, bigint, integer, float8, float8, float8, integer, text) IS
    'Options of columns and training; what is NULL comes from the recipe (''robust'' or ''reference''), label from ''label'', validation (a random share of the rows) from 0.2. lr_schedule: constant, cosine, plateau. monitor: val_auc, val_loss. numerical_transform: quantile, standard, log, none. numerical_buckets: parts into which numerical columns are cut to be categories besides. target_statistics: whether the label''s log odds in each category, from other rows than the row itself, are inputs. patience: epochs without a better metric before training stops, 0 is never. max_seconds: seconds, 0 is no limit. threads: 0 is ctr.threads. if_untrainable: error, or null for NULL and a warning where no model can be trained on the rows, as on a group with one label only.';

-- ------------------------------------------------------------------ aggregates

-- Parallel plans are ruled out around ctr_train: a training depends on the order of its rows.
CREATE FUNCTION ctr_train_transition(internal, record) RETURNS internal
    AS 'MODULE_PATHNAME', 'ctr_train_transition' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_transition(internal, record) IS 'transition function of ctr_train(record)';
CREATE FUNCTION ctr_train_transition(internal, record, jsonb) RETURNS internal
    AS 'MODULE_PATHNAME', 'ctr_train_transition' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_transition(internal, record, jsonb) IS 'transition function of ctr_train(record, jsonb)';
CREATE FUNCTION ctr_train_transition(internal, record, jsonb, ctr_model) RETURNS internal
    AS 'MODULE_PATHNAME', 'ctr_train_transition' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_transition(internal, record, jsonb, ctr_model) IS 'transition function of ctr_train(record, jsonb, ctr_model)';
CREATE FUNCTION ctr_train_final(internal) RETURNS ctr_model
    AS 'MODULE_PATHNAME', 'ctr_train_final' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_final(internal) IS 'final function of ctr_train: encodes the rows, runs the epochs, packs the model';

CREATE AGGREGATE ctr_train(record) (
    SFUNC = ctr_train_transition, STYPE = internal, SSPACE = 1048576,
    FINALFUNC = ctr_train_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_train(record) IS
    'Trains a model on rows, with the default options: DeepCross (DCN-matrix), recipe "robust". Features are the columns, by name and type; "label" holds 0 or 1.';

CREATE AGGREGATE ctr_train(record, jsonb) (
    SFUNC = ctr_train_transition, STYPE = internal, SSPACE = 1048576,
    FINALFUNC = ctr_train_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_train(record, jsonb) IS
    'Trains a model on rows, with options from ctr_deepcross(), ctr_fibinet() and ctr_fit() joined by ||. The same rows in the same order, options and seed give the same bits. Raises one NOTICE per epoch, with GROUP BY one per group. No rows give NULL and a warning.';

CREATE AGGREGATE ctr_train(record, jsonb, ctr_model) (
    SFUNC = ctr_train_transition, STYPE = internal, SSPACE = 1048576,
    FINALFUNC = ctr_train_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_train(record, jsonb, ctr_model) IS
    'Goes on from a model on new rows: its weights, features and numerical transforms stay, known categories keep their embeddings, new ones get rows of their own that start from the "unseen" row. Options that are left out are the model''s; the optimizer starts afresh.';

CREATE FUNCTION ctr_auc_transition(internal, float8, float8) RETURNS internal
    AS 'MODULE_PATHNAME', 'ctr_auc_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_transition(internal, float8, float8) IS 'transition function of ctr_auc';
CREATE FUNCTION ctr_auc_transition(internal, boolean, float8) RETURNS internal
    AS 'MODULE_PATHNAME', 'ctr_auc_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_transition(internal, boolean, float8) IS 'transition function of ctr_auc';
CREATE FUNCTION ctr_auc_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_combine(internal, internal) IS 'combine function of ctr_auc';
CREATE FUNCTION ctr_auc_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_serialize(internal) IS 'serialization function of ctr_auc';
CREATE FUNCTION ctr_auc_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_deserialize(bytea, internal) IS 'deserialization function of ctr_auc';
CREATE FUNCTION ctr_auc_final(internal) RETURNS float8
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_final(internal) IS 'final function of ctr_auc';

CREATE AGGREGATE ctr_auc(label float8, score float8) (
    SFUNC = ctr_auc_transition, STYPE = internal, SSPACE = 65536, FINALFUNC = ctr_auc_final,
    COMBINEFUNC = ctr_auc_combine, SERIALFUNC = ctr_auc_serialize, DESERIALFUNC = ctr_auc_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_auc(float8, float8) IS
    'Area under the ROC curve of scores for labels 0 and 1, ties counted half (scikit-learn''s roc_auc_score). Rows with a NULL are left out; NULL where all labels are equal. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_auc(label boolean, score float8) (
    SFUNC = ctr_auc_transition, STYPE = internal, SSPACE = 65536, FINALFUNC = ctr_auc_final,
    COMBINEFUNC = ctr_auc_combine, SERIALFUNC = ctr_auc_serialize, DESERIALFUNC = ctr_auc_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_auc(boolean, float8) IS
    'Area under the ROC curve of scores for boolean labels, ties counted half (scikit-learn''s roc_auc_score). Rows with a NULL are left out; NULL where all labels are equal. 16 bytes of memory a row.';

CREATE FUNCTION ctr_logloss_transition(internal, float8, float8) RETURNS internal
    AS 'MODULE_PATHNAME', 'ctr_logloss_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_transition(internal, float8, float8) IS 'transition function of ctr_logloss';
CREATE FUNCTION ctr_logloss_transition(internal, boolean, float8) RETURNS internal
    AS 'MODULE_PATHNAME', 'ctr_logloss_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_transition(internal, boolean, float8) IS 'transition function of ctr_logloss';
CREATE FUNCTION ctr_logloss_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_combine(internal, internal) IS 'combine function of ctr_logloss';
CREATE FUNCTION ctr_logloss_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_serialize(internal) IS 'serialization function of ctr_logloss';
CREATE FUNCTION ctr_logloss_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_deserialize(bytea, internal) IS 'deserialization function of ctr_logloss';
CREATE FUNCTION ctr_logloss_final(internal) RETURNS float8
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_final(internal) IS 'final function of ctr_logloss';

CREATE AGGREGATE ctr_logloss(label float8, score float8) (
    SFUNC = ctr_logloss_transition, STYPE = internal, FINALFUNC = ctr_logloss_final,
    COMBINEFUNC = ctr_logloss_combine, SERIALFUNC = ctr_logloss_serialize, DESERIALFUNC = ctr_logloss_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_logloss(float8, float8) IS
    'Mean logarithmic loss (nats) of probabilities for labels 0 and 1 (scikit-learn''s log_loss: probabilities are clipped by 2^-52). Rows with a NULL are left out.';
CREATE AGGREGATE ctr_logloss(label boolean, score float8) (
    SFUNC = ctr_logloss_transition, STYPE = internal, FINALFUNC = ctr_logloss_final,
    COMBINEFUNC = ctr_logloss_combine, SERIALFUNC = ctr_logloss_serialize, DESERIALFUNC = ctr_logloss_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_logloss(boolean, float8) IS
    'Mean logarithmic loss (nats) of probabilities for boolean labels (scikit-learn''s log_loss: probabilities are clipped by 2^-52). Rows with a NULL are left out.';

CREATE TYPE ctr_evaluation AS (
    rows bigint, loss float8, auc float8, accuracy float8, normalized_entropy float8, calibration float8);
COMMENT ON TYPE ctr_evaluation IS 'result of ctr_evaluate';
COMMENT ON COLUMN ctr_evaluation.rows IS 'rows with a label';
COMMENT ON COLUMN ctr_evaluation.loss IS 'mean logarithmic loss, nats';
COMMENT ON COLUMN ctr_evaluation.auc IS 'area under the ROC curve; NULL where all labels are equal, and for several classes';
COMMENT ON COLUMN ctr_evaluation.accuracy IS 'share of rows whose most probable class is the label';
COMMENT ON COLUMN ctr_evaluation.normalized_entropy IS 'loss divided by the entropy of the label frequencies: below 1 is better than always predicting the mean';
COMMENT ON COLUMN ctr_evaluation.calibration IS 'mean prediction divided by mean label: 1 is unbiased; NULL for several classes';

CREATE FUNCTION ctr_evaluate_transition(internal, ctr_model, record) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_evaluate_transition(internal, ctr_model, record) IS 'transition function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_combine(internal, internal) IS 'combine function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_serialize(internal) IS 'serialization function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_deserialize(bytea, internal) IS 'deserialization function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_final(internal) RETURNS ctr_evaluation
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_final(internal) IS 'final function of ctr_evaluate';

CREATE AGGREGATE ctr_evaluate(ctr_model, record) (
    SFUNC = ctr_evaluate_transition, STYPE = internal, SSPACE = 65536, FINALFUNC = ctr_evaluate_final,
    COMBINEFUNC = ctr_evaluate_combine, SERIALFUNC = ctr_evaluate_serialize, DESERIALFUNC = ctr_evaluate_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_evaluate(ctr_model, record) IS
    'A model''s quality on rows that have the label column it was trained on: (rows, loss, auc, accuracy, normalized_entropy, calibration). Rows with a NULL label are left out; every row counts once, whatever its weight.';

-- ------------------------------------------------------------------ scoring

CREATE FUNCTION ctr_predict_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_predict_support(internal) IS
    'planner support function of ctr_predict and ctr_predict_classes: hands over a table''s columns instead of its row';

CREATE FUNCTION ctr_predict(ctr_model, record) RETURNS float8
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT ctr_predict_support;
COMMENT ON FUNCTION ctr_predict(ctr_model, record) IS
    'P(label = 1) of a row, for a model of one class. Features are found by name; extra columns do not matter. A NULL is a missing value, a category that training never saw takes its field''s "unseen" row.';

CREATE FUNCTION ctr_predict_classes(ctr_model, record) RETURNS float8[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT ctr_predict_support;
COMMENT ON FUNCTION ctr_predict_classes(ctr_model, record) IS
    'The probabilities of labels 0, 1, 2, ... of a row; they add up to 1.';

CREATE FUNCTION ctr_predict_columns(ctr_model, regtype, VARIADIC "any") RETURNS float8
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_predict_columns(ctr_model, regtype, VARIADIC "any") IS
    'What the planner makes of ctr_predict(model, row) where it has the row''s columns: the row type and one value for each of its columns, in their order. Not made to be called by hand.';

CREATE FUNCTION ctr_predict_classes_columns(ctr_model, regtype, VARIADIC "any") RETURNS float8[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_predict_classes_columns(ctr_model, regtype, VARIADIC "any") IS
    'What the planner makes of ctr_predict_classes(model, row), as ctr_predict_columns.';

CREATE FUNCTION ctr_predict_batch(ctr_model, record) RETURNS float8
    AS 'MODULE_PATHNAME' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE COST 200;
COMMENT ON FUNCTION ctr_predict_batch(ctr_model, record) IS
    'As ctr_predict, to rounding (1e-7), as a window function (OVER ()) that scores rows in blocks of 256 by ctr.threads threads while it reads the next. It reads ahead as many rows as have come before, up to 4096.';

-- ------------------------------------------------------------------ looking inside

CREATE FUNCTION ctr_config(ctr_model) RETURNS jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION ctr_config(ctr_model) IS
    'A model''s architecture, options (all of them, with the recipe''s values), columns, row counts, epochs, number of trained parameters, and versions.';

CREATE FUNCTION ctr_history(ctr_model, OUT epoch integer, OUT train_loss float8, OUT train_auc float8,
    OUT val_loss float8, OUT val_auc float8, OUT learning_rate float8, OUT seconds float8, OUT is_best boolean)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 20;
COMMENT ON FUNCTION ctr_history(ctr_model) IS
    'One row per epoch of training: losses in nats per row, areas under the ROC curve, the learning rate, wall-clock seconds, and whether its weights are the model''s. NULL: not measured.';

CREATE FUNCTION ctr_features(ctr_model, OUT "position" integer, OUT name text, OUT kind text, OUT categories integer,
    OUT missing bigint, OUT imputed_value float8)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 40;
COMMENT ON FUNCTION ctr_features(ctr_model) IS
    'One row per feature, in the network''s order: kind ''numerical'' or ''categorical''; categories: rows of its embedding table (known ones, "unseen" and "missing"); missing: training rows without a value; imputed_value: what a missing number becomes, before the transform.';

CREATE FUNCTION ctr_tensors(ctr_model, OUT name text, OUT dtype text, OUT shape bigint[], OUT bytes bigint)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 80;
COMMENT ON FUNCTION ctr_tensors(ctr_model) IS
    'One row per tensor of a model, by name: the network''s under their state_dict names, the encoder''s and the history under names that begin with "ctr.". dtype and shape as in safetensors.';

CREATE FUNCTION ctr_tensor(ctr_model, text) RETURNS float4[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_tensor(ctr_model, text) IS
    'The values of one tensor, as an array of its shape; a single number is an array of one. Error 42704 for a name that ctr_tensors does not list.';

-- ------------------------------------------------------------------ in and out

CREATE FUNCTION ctr_state_dict(ctr_model) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_state_dict(ctr_model) IS
    'A safetensors file of the network''s weights and buffers alone, which PyTorch''s load_state_dict(strict=True) of the same network takes.';

CREATE FUNCTION ctr_encode(ctr_model, record, OUT x_num float4[], OUT x_cat int4[])
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION ctr_encode(ctr_model, record) IS
    'What the network sees of a row: numerical inputs after the transform, and per category field the row of its embedding table (0 unseen, 1 missing).';

-- ------------------------------------------------------------------ build information

CREATE FUNCTION ctr_build_info(OUT version text, OUT postgresql text, OUT blas text, OUT threads integer)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_build_info() IS
    'The extension''s version, the PostgreSQL it was built for, what makes its matrix products (kernels of its own, or a BLAS library), and the threads that a training would use.';
