/*
 * ctr.sql: the SQL face of ctr, installed as ctr--VERSION.sql. Sections follow the documentation: type, options, aggregates,
 * scoring, inside, out.
 *
 * The target schema may hold anybody's objects while a superuser runs this. So what is PostgreSQL's is named with
 * pg_catalog (the parser does that for integer, double precision and other keywords), our own functions are only looked up
 * by their exact types, which nobody else has made, and no function has a body or a default in SQL that calls another.
 */

\echo Use "CREATE EXTENSION ctr" to load this file. \quit

-- ------------------------------------------------------------------ type ctr_model

CREATE TYPE ctr_model;

CREATE FUNCTION ctr_model_in(pg_catalog.cstring) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_in(pg_catalog.cstring) IS 'input function of ctr_model: bytea''s, and the bytes are validated';
CREATE FUNCTION ctr_model_out(ctr_model) RETURNS pg_catalog.cstring
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_out(ctr_model) IS 'output function of ctr_model: bytea''s';
CREATE FUNCTION ctr_model_recv(pg_catalog.internal) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_recv(pg_catalog.internal) IS 'binary input function of ctr_model: bytea''s, and the bytes are validated';
CREATE FUNCTION ctr_model_send(ctr_model) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model_send(ctr_model) IS 'binary output function of ctr_model: bytea''s';

CREATE TYPE ctr_model (
    INPUT = ctr_model_in, OUTPUT = ctr_model_out, RECEIVE = ctr_model_recv, SEND = ctr_model_send,
    INTERNALLENGTH = VARIABLE, STORAGE = external);
COMMENT ON TYPE ctr_model IS
    'A trained model: one safetensors file with weights, vocabularies, transforms, options and history. Made by ctr_train, read by ctr_predict.';

CREATE FUNCTION ctr_model(pg_catalog.bytea) RETURNS ctr_model
    AS 'MODULE_PATHNAME', 'ctr_model_from_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_model(pg_catalog.bytea) IS
    'A model from its bytes, which are validated in full: what is accepted can be scored. Error 0A000 for a model that needs a later version of ctr, 22P03 for anything else.';

CREATE CAST (pg_catalog.bytea AS ctr_model) WITH FUNCTION ctr_model(pg_catalog.bytea);
COMMENT ON CAST (pg_catalog.bytea AS ctr_model) IS 'validates a model''s bytes';
CREATE CAST (ctr_model AS pg_catalog.bytea) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (ctr_model AS pg_catalog.bytea) IS 'a model''s bytes, one safetensors file; free of work';

CREATE FUNCTION ctr_model_eq(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_eq(ctr_model, ctr_model) IS 'whether two models are the same but for the time of their training and the seconds that it took, by their SHA-256; reads their first slices only';
CREATE FUNCTION ctr_model_ne(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_ne(ctr_model, ctr_model) IS 'whether two models differ in more than the time of their training and the seconds that it took, by their SHA-256; reads their first slices only';
CREATE FUNCTION ctr_model_lt(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_lt(ctr_model, ctr_model) IS 'whether a model''s SHA-256 is less than another''s';
CREATE FUNCTION ctr_model_le(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_le(ctr_model, ctr_model) IS 'whether a model''s SHA-256 is less than another''s, or the same';
CREATE FUNCTION ctr_model_ge(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_ge(ctr_model, ctr_model) IS 'whether a model''s SHA-256 is greater than another''s, or the same';
CREATE FUNCTION ctr_model_gt(ctr_model, ctr_model) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_gt(ctr_model, ctr_model) IS 'whether a model''s SHA-256 is greater than another''s';
CREATE FUNCTION ctr_model_cmp(ctr_model, ctr_model) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_cmp(ctr_model, ctr_model) IS 'order of two models, by their SHA-256: negative, 0 or positive; reads their first slices only';
CREATE FUNCTION ctr_model_hash(ctr_model) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_hash(ctr_model) IS 'hash of a model, for GROUP BY and hash joins';
CREATE FUNCTION ctr_model_hash_extended(ctr_model, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION ctr_model_hash_extended(ctr_model, bigint) IS 'hash of a model, salted: for hash partitions';

CREATE OPERATOR = (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_eq, COMMUTATOR = =, NEGATOR = <>,
    RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel, HASHES, MERGES);
COMMENT ON OPERATOR = (ctr_model, ctr_model) IS 'the same model: all but the time of its training and the seconds that it took';
CREATE OPERATOR <> (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_ne, COMMUTATOR = <>, NEGATOR = =,
    RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel);
COMMENT ON OPERATOR <> (ctr_model, ctr_model) IS 'not the same model';
CREATE OPERATOR < (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_lt, COMMUTATOR = >, NEGATOR = >=,
    RESTRICT = pg_catalog.scalarltsel, JOIN = pg_catalog.scalarltjoinsel);
COMMENT ON OPERATOR < (ctr_model, ctr_model) IS 'before, in the order of the models'' SHA-256';
CREATE OPERATOR <= (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_le, COMMUTATOR = >=, NEGATOR = >,
    RESTRICT = pg_catalog.scalarlesel, JOIN = pg_catalog.scalarlejoinsel);
COMMENT ON OPERATOR <= (ctr_model, ctr_model) IS 'before, in the order of the models'' SHA-256, or the same';
CREATE OPERATOR >= (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_ge, COMMUTATOR = <=, NEGATOR = <,
    RESTRICT = pg_catalog.scalargesel, JOIN = pg_catalog.scalargejoinsel);
COMMENT ON OPERATOR >= (ctr_model, ctr_model) IS 'after, in the order of the models'' SHA-256, or the same';
CREATE OPERATOR > (
    LEFTARG = ctr_model, RIGHTARG = ctr_model, FUNCTION = ctr_model_gt, COMMUTATOR = <, NEGATOR = <=,
    RESTRICT = pg_catalog.scalargtsel, JOIN = pg_catalog.scalargtjoinsel);
COMMENT ON OPERATOR > (ctr_model, ctr_model) IS 'after, in the order of the models'' SHA-256';

CREATE OPERATOR CLASS ctr_model_ops DEFAULT FOR TYPE ctr_model USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 ctr_model_cmp(ctr_model, ctr_model);
COMMENT ON OPERATOR CLASS ctr_model_ops USING btree IS
    'an order of models: ORDER BY, DISTINCT, PARTITION BY, merge joins. A btree index has no room for values of more than some 2,700 bytes; a hash index and EXCLUDE USING hash (model WITH =) take any.';
COMMENT ON OPERATOR FAMILY ctr_model_ops USING btree IS 'an order of models';
CREATE OPERATOR CLASS ctr_model_ops DEFAULT FOR TYPE ctr_model USING hash AS
    OPERATOR 1 =, FUNCTION 1 ctr_model_hash(ctr_model), FUNCTION 2 ctr_model_hash_extended(ctr_model, bigint);
COMMENT ON OPERATOR CLASS ctr_model_ops USING hash IS 'equality of models: GROUP BY, DISTINCT, hash joins, REPLICA IDENTITY FULL';
COMMENT ON OPERATOR FAMILY ctr_model_ops USING hash IS 'equality of models';

-- ------------------------------------------------------------------ options

CREATE FUNCTION ctr_options(pg_catalog.jsonb) RETURNS pg_catalog.jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_options(pg_catalog.jsonb) IS
    'Returns options as they are, if ctr_train will take them. Error 22023 for an unknown key, a wrong type or a value out of range, with the nearest valid key.';

CREATE FUNCTION ctr_options(OUT option pg_catalog.text, OUT architectures pg_catalog.text[], OUT allowed pg_catalog.text,
    OUT robust pg_catalog.jsonb, OUT reference pg_catalog.jsonb, OUT meaning pg_catalog.text)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME', 'ctr_options_list' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 40;
COMMENT ON FUNCTION ctr_options() IS
    'Every option that ctr_deepcross, ctr_fibinet, ctr_deepfm, ctr_wide_deep and ctr_fit take as an argument, and options as a key: the architectures that have it, what values are allowed, its values in the two recipes, what it means. Two rows where the architectures'' values differ.';

CREATE FUNCTION ctr_deepcross(
    cross_type pg_catalog.text DEFAULT 'matrix', n_cross integer DEFAULT 2, low_rank integer DEFAULT 32,
    n_experts integer DEFAULT 4, d_embed_max integer DEFAULT 8, mlp_layers integer[] DEFAULT '{128,64,32}',
    mlp_dropout double precision DEFAULT 0.25, stacked boolean DEFAULT true, n_classes integer DEFAULT 1)
RETURNS pg_catalog.jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_deepcross(pg_catalog.text, integer, integer, integer, integer, integer[], double precision,
    boolean, integer) IS
    'Options of a DeepCross network. cross_type: ''matrix'' (DCN-V2), ''vector'' (DCN) or ''mix'' (DCN-Mix, with n_experts of rank low_rank); n_cross layers; embeddings as wide as the square root of their categories, at most d_embed_max; an MLP of mlp_layers after the crosses (stacked) or beside them. Join with ctr_fit() by ||. SELECT * FROM ctr_options() explains every argument.';

CREATE FUNCTION ctr_fibinet(
    d_embed integer DEFAULT NULL, mlp_layers integer[] DEFAULT '{128,64,32}', mlp_dropout double precision DEFAULT 0.25,
    reduction_ratio double precision DEFAULT 3, bilinear_type pg_catalog.text DEFAULT 'field_interaction',
    n_classes integer DEFAULT 1)
RETURNS pg_catalog.jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_fibinet(integer, integer[], double precision, double precision, pg_catalog.text, integer) IS
    'Options of a FiBiNET network. Embeddings of width d_embed for every feature, SENet attention over them with n / reduction_ratio hidden units, bilinear interactions of all pairs with one matrix per pair (''field_interaction''), per feature (''field_each'') or in all (''field_all''), then an MLP of mlp_layers, plus a linear part. Join with ctr_fit() by ||. SELECT * FROM ctr_options() explains every argument.';

CREATE FUNCTION ctr_deepfm(
    d_embed integer DEFAULT 8, mlp_layers integer[] DEFAULT '{128,64,32}', mlp_dropout double precision DEFAULT 0.25,
    n_classes integer DEFAULT 1)
RETURNS pg_catalog.jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_deepfm(integer, integer[], double precision, integer) IS
    'Options of a DeepFM network. Embeddings of width d_embed for every feature, the inner products of all pairs of them, an MLP of mlp_layers over the same embeddings, plus a linear part. Join with ctr_fit() by ||. SELECT * FROM ctr_options() explains every argument.';

CREATE FUNCTION ctr_wide_deep(
    d_embed integer DEFAULT 8, mlp_layers integer[] DEFAULT '{128,64,32}', mlp_dropout double precision DEFAULT 0.25,
    n_classes integer DEFAULT 1)
RETURNS pg_catalog.jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_wide_deep(integer, integer[], double precision, integer) IS
    'Options of a Wide & Deep network. An MLP of mlp_layers over numbers and over embeddings of width d_embed for every category, plus a linear part over both. Join with ctr_fit() by ||. SELECT * FROM ctr_options() explains every argument.';

CREATE FUNCTION ctr_fit(
    label pg_catalog.text DEFAULT NULL, weight pg_catalog.text DEFAULT NULL, numerical pg_catalog.text[] DEFAULT NULL,
    categorical pg_catalog.text[] DEFAULT NULL, ignore pg_catalog.text[] DEFAULT NULL,
    validation double precision DEFAULT NULL, validation_column pg_catalog.text DEFAULT NULL,
    recipe pg_catalog.text DEFAULT NULL, epochs integer DEFAULT NULL, batch_size integer DEFAULT NULL,
    learning_rate double precision DEFAULT NULL, lr_schedule pg_catalog.text DEFAULT NULL,
    weight_decay double precision DEFAULT NULL, embedding_decay double precision DEFAULT NULL,
    patience integer DEFAULT NULL, monitor pg_catalog.text DEFAULT NULL, min_count integer DEFAULT NULL,
    numerical_transform pg_catalog.text DEFAULT NULL, target_statistics boolean DEFAULT NULL, seed bigint DEFAULT NULL,
    threads integer DEFAULT NULL, max_seconds double precision DEFAULT NULL,
    embedding_init double precision DEFAULT NULL, clip_norm double precision DEFAULT NULL,
    numerical_buckets integer DEFAULT NULL, if_untrainable pg_catalog.text DEFAULT NULL,
    crosses pg_catalog.text DEFAULT NULL, cross_counts boolean DEFAULT NULL, candidates integer DEFAULT NULL)
RETURNS pg_catalog.jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_fit(pg_catalog.text, pg_catalog.text, pg_catalog.text[], pg_catalog.text[], pg_catalog.text[],
    double precision, pg_catalog.text, pg_catalog.text, integer, integer, double precision, pg_catalog.text,
    double precision, double precision, integer, pg_catalog.text, integer, pg_catalog.text, boolean, bigint, integer,
    double precision, double precision, double precision, integer, pg_catalog.text, pg_catalog.text, boolean, integer) IS
    'Options of columns and training; what is NULL comes from the recipe (''robust'' or ''reference''), label from ''label'', validation (a random share of the rows) from 0.2. lr_schedule: constant, cosine, plateau, cooldown. monitor: val_auc, val_loss. numerical_transform: quantile, standard, log, none. numerical_buckets: parts into which numerical columns are cut to be categories besides. target_statistics: whether the label''s log odds in each category, from other rows than the row itself, are inputs. crosses: pairs of categorical columns that are categories besides, ''none'', ''auto'' or a JSON array like ''[["user", "item"]]''. cross_counts: whether in how many other rows the row''s pair of these columns occurs is an input. candidates: settings that are tried and compared by validation, 1 is only the one that the options say. epochs: where no rows validate, the recipe ''robust'' has 4. patience: epochs without a better metric before training stops, 0 is never. max_seconds: seconds, 0 is no limit. threads: 0 is ctr.threads. if_untrainable: error, or null for NULL and a warning where no model can be trained on the rows, as on a group with one label only. SELECT * FROM ctr_options() explains every argument.';

-- ------------------------------------------------------------------ aggregates

-- Parallel plans are ruled out around ctr_train, which has threads on all cores of its own.
CREATE FUNCTION ctr_train_transition(pg_catalog.internal, pg_catalog.record) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_train_transition' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_transition(pg_catalog.internal, pg_catalog.record) IS 'transition function of ctr_train(record)';
CREATE FUNCTION ctr_train_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_train_transition' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb) IS 'transition function of ctr_train(record, jsonb)';
CREATE FUNCTION ctr_train_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb,
    ctr_model) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_train_transition' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb, ctr_model) IS 'transition function of ctr_train(record, jsonb, ctr_model)';
CREATE FUNCTION ctr_train_final(pg_catalog.internal) RETURNS ctr_model
    AS 'MODULE_PATHNAME', 'ctr_train_final' LANGUAGE C PARALLEL UNSAFE;
COMMENT ON FUNCTION ctr_train_final(pg_catalog.internal) IS 'final function of ctr_train: encodes the rows, runs the epochs, packs the model';

CREATE AGGREGATE ctr_train(pg_catalog.record) (
    SFUNC = ctr_train_transition, STYPE = pg_catalog.internal, SSPACE = 1048576,
    FINALFUNC = ctr_train_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_train(pg_catalog.record) IS
    'Trains a model on rows, with the default options: DeepCross (DCN-matrix), recipe "robust". Features are the columns, by name and type; "label" holds 0 or 1.';

CREATE AGGREGATE ctr_train(pg_catalog.record, pg_catalog.jsonb) (
    SFUNC = ctr_train_transition, STYPE = pg_catalog.internal, SSPACE = 1048576,
    FINALFUNC = ctr_train_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_train(pg_catalog.record, pg_catalog.jsonb) IS
    'Trains a model on rows, with options from ctr_fit() and, joined by ||, one of ctr_deepcross(), ctr_fibinet(), ctr_deepfm() and ctr_wide_deep(). The same rows, options and seed give the same bits, in whatever order the rows arrive. Raises one NOTICE per epoch.';

CREATE AGGREGATE ctr_train(pg_catalog.record, pg_catalog.jsonb, ctr_model) (
    SFUNC = ctr_train_transition, STYPE = pg_catalog.internal, SSPACE = 1048576,
    FINALFUNC = ctr_train_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_train(pg_catalog.record, pg_catalog.jsonb, ctr_model) IS
    'Goes on from a model on new rows: its weights, features and numerical transforms stay, known categories keep their embeddings, new ones get rows of their own that start from the "unseen" row. Options that are left out are the model''s; the optimizer starts afresh.';

CREATE FUNCTION ctr_prepare_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION ctr_prepare_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb) IS 'transition function of ctr_prepare';
CREATE FUNCTION ctr_prepare_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb, ctr_model) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100;
COMMENT ON FUNCTION ctr_prepare_transition(pg_catalog.internal, pg_catalog.record, pg_catalog.jsonb, ctr_model) IS 'transition function of ctr_prepare, for a pass after the first';
CREATE FUNCTION ctr_prepare_final(pg_catalog.internal) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION ctr_prepare_final(pg_catalog.internal) IS 'final function of ctr_prepare: makes the pass over the rows, packs what it found';

CREATE AGGREGATE ctr_prepare(pg_catalog.record, pg_catalog.jsonb) (
    SFUNC = ctr_prepare_transition, STYPE = pg_catalog.internal, SSPACE = 1048576,
    FINALFUNC = ctr_prepare_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_prepare(pg_catalog.record, pg_catalog.jsonb) IS
    'First pass over a part of a table whose parts train one model: what its columns are, with all categories and their counts. Trains nothing. ctr_merge makes of all parts what they have in common.';
CREATE AGGREGATE ctr_prepare(pg_catalog.record, pg_catalog.jsonb, ctr_model) (
    SFUNC = ctr_prepare_transition, STYPE = pg_catalog.internal, SSPACE = 1048576,
    FINALFUNC = ctr_prepare_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = UNSAFE);
COMMENT ON AGGREGATE ctr_prepare(pg_catalog.record, pg_catalog.jsonb, ctr_model) IS
    'The next pass, with what ctr_merge made of the pass before; needed until ctr_config no longer calls its weights prepared: then it is a model that ctr_train takes.';

CREATE FUNCTION ctr_merge_transition(pg_catalog.internal, ctr_model) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_merge_transition(pg_catalog.internal, ctr_model) IS 'transition function of ctr_merge';
CREATE FUNCTION ctr_merge_final(pg_catalog.internal) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION ctr_merge_final(pg_catalog.internal) IS 'final function of ctr_merge: merges the parts in the order of their digests, packs the result';

CREATE AGGREGATE ctr_merge(ctr_model) (
    SFUNC = ctr_merge_transition, STYPE = pg_catalog.internal, SSPACE = 65536,
    FINALFUNC = ctr_merge_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE ctr_merge(ctr_model) IS
    'Of parts that ctr_prepare looked at: what they have in common, in the end the model from which ctr_train starts on each of them. Of parts that were trained from one such model: their average, embeddings by how often each part saw a category. The order of parts does not matter.';

CREATE FUNCTION ctr_changes(model ctr_model, base ctr_model) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION ctr_changes(ctr_model, ctr_model) IS
    'The model as what it has other than the base: after a training on a shared encoder neither vocabularies nor statistics, and of embeddings those that its rows have. ctr_apply makes the model of both again.';
CREATE FUNCTION ctr_apply(base ctr_model, changes pg_catalog.bytea) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION ctr_apply(ctr_model, pg_catalog.bytea) IS
    'The model, to the byte, that ctr_changes has told apart from the base; it is validated as by the cast. Error where the changes are those of another base.';

CREATE FUNCTION ctr_merge_transition(pg_catalog.internal, ctr_model, pg_catalog.bytea) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_merge_changes_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_merge_transition(pg_catalog.internal, ctr_model, pg_catalog.bytea) IS 'transition function of ctr_merge';
CREATE AGGREGATE ctr_merge(base ctr_model, changes pg_catalog.bytea) (
    SFUNC = ctr_merge_transition, STYPE = pg_catalog.internal, SSPACE = 65536,
    FINALFUNC = ctr_merge_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = RESTRICTED);
COMMENT ON AGGREGATE ctr_merge(ctr_model, pg_catalog.bytea) IS
    'The same of trained parts that are there as what ctr_changes tells of them beside the model that they went on from: to the bit what their models would give. Reads one part at a time.';

CREATE FUNCTION ctr_step(previous ctr_model, merged ctr_model, OUT model ctr_model, INOUT velocity ctr_model, momentum double precision)
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION ctr_step(ctr_model, ctr_model, ctr_model, double precision) IS
    'The next model after a round: from the previous one, from which all parts went on, beyond their average, by Nesterov''s momentum over rounds; and the velocity for the next round, NULL in the first.';

CREATE FUNCTION ctr_estimate(model ctr_model, OUT rows bigint, OUT validation_rows bigint, OUT numerical integer, OUT categorical integer,
        OUT categories bigint, OUT parameters bigint, OUT model_bytes bigint, OUT memory_bytes bigint, OUT seconds_per_epoch double precision,
        OUT seconds double precision)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION ctr_estimate(ctr_model) IS
    'What training a prepared value would take: rows, columns, the size of the model, memory, and time on this server by a few steps on made-up rows; reading and encoding rows comes on top.';

CREATE FUNCTION ctr_auc_transition(pg_catalog.internal, double precision, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_auc_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_transition(pg_catalog.internal, double precision, double precision) IS 'transition function of ctr_auc';
CREATE FUNCTION ctr_auc_transition(pg_catalog.internal, boolean, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_auc_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_transition(pg_catalog.internal, boolean, double precision) IS 'transition function of ctr_auc';
CREATE FUNCTION ctr_auc_combine(pg_catalog.internal, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_combine(pg_catalog.internal, pg_catalog.internal) IS 'combine function of ctr_auc';
CREATE FUNCTION ctr_auc_serialize(pg_catalog.internal) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_serialize(pg_catalog.internal) IS 'serialization function of ctr_auc';
CREATE FUNCTION ctr_auc_deserialize(pg_catalog.bytea, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_deserialize(pg_catalog.bytea, pg_catalog.internal) IS 'deserialization function of ctr_auc';
CREATE FUNCTION ctr_auc_final(pg_catalog.internal) RETURNS double precision
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_final(pg_catalog.internal) IS 'final function of ctr_auc';

CREATE AGGREGATE ctr_auc(label double precision, score double precision) (
    SFUNC = ctr_auc_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_auc_final,
    COMBINEFUNC = ctr_auc_combine, SERIALFUNC = ctr_auc_serialize, DESERIALFUNC = ctr_auc_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_auc(double precision, double precision) IS
    'Area under the ROC curve of scores for labels 0 and 1, ties counted half (scikit-learn''s roc_auc_score). Rows with a NULL are left out; NULL where all labels are equal. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_auc(label boolean, score double precision) (
    SFUNC = ctr_auc_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_auc_final,
    COMBINEFUNC = ctr_auc_combine, SERIALFUNC = ctr_auc_serialize, DESERIALFUNC = ctr_auc_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_auc(boolean, double precision) IS
    'Area under the ROC curve of scores for boolean labels, ties counted half (scikit-learn''s roc_auc_score). Rows with a NULL are left out; NULL where all labels are equal. 16 bytes of memory a row.';

CREATE FUNCTION ctr_auc_transition(pg_catalog.internal, double precision, double precision, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_auc_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_transition(pg_catalog.internal, double precision, double precision, double precision) IS 'transition function of ctr_auc with weights';
CREATE FUNCTION ctr_auc_transition(pg_catalog.internal, boolean, double precision, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_auc_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_auc_transition(pg_catalog.internal, boolean, double precision, double precision) IS 'transition function of ctr_auc with weights';

CREATE AGGREGATE ctr_auc(label double precision, score double precision, weight double precision) (
    SFUNC = ctr_auc_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_auc_final,
    COMBINEFUNC = ctr_auc_combine, SERIALFUNC = ctr_auc_serialize, DESERIALFUNC = ctr_auc_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_auc(double precision, double precision, double precision) IS
    'Area under the ROC curve of scores for labels 0 and 1, each row as often as its weight says (scikit-learn''s roc_auc_score with sample_weight; weights are kept as float4). Rows with a NULL are left out; NULL where all labels with a weight are equal.';
CREATE AGGREGATE ctr_auc(label boolean, score double precision, weight double precision) (
    SFUNC = ctr_auc_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_auc_final,
    COMBINEFUNC = ctr_auc_combine, SERIALFUNC = ctr_auc_serialize, DESERIALFUNC = ctr_auc_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_auc(boolean, double precision, double precision) IS
    'Area under the ROC curve of scores for boolean labels, each row as often as its weight says (scikit-learn''s roc_auc_score with sample_weight; weights are kept as float4). Rows with a NULL are left out; NULL where all labels with a weight are equal.';

CREATE FUNCTION ctr_logloss_transition(pg_catalog.internal, double precision, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_logloss_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_transition(pg_catalog.internal, double precision, double precision) IS 'transition function of ctr_logloss';
CREATE FUNCTION ctr_logloss_transition(pg_catalog.internal, boolean, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_logloss_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_transition(pg_catalog.internal, boolean, double precision) IS 'transition function of ctr_logloss';
CREATE FUNCTION ctr_logloss_combine(pg_catalog.internal, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_combine(pg_catalog.internal, pg_catalog.internal) IS 'combine function of ctr_logloss';
CREATE FUNCTION ctr_logloss_serialize(pg_catalog.internal) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_serialize(pg_catalog.internal) IS 'serialization function of ctr_logloss';
CREATE FUNCTION ctr_logloss_deserialize(pg_catalog.bytea, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_deserialize(pg_catalog.bytea, pg_catalog.internal) IS 'deserialization function of ctr_logloss';
CREATE FUNCTION ctr_logloss_final(pg_catalog.internal) RETURNS double precision
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_final(pg_catalog.internal) IS 'final function of ctr_logloss';

CREATE AGGREGATE ctr_logloss(label double precision, score double precision) (
    SFUNC = ctr_logloss_transition, STYPE = pg_catalog.internal, FINALFUNC = ctr_logloss_final,
    COMBINEFUNC = ctr_logloss_combine, SERIALFUNC = ctr_logloss_serialize, DESERIALFUNC = ctr_logloss_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_logloss(double precision, double precision) IS
    'Mean logarithmic loss (nats) of probabilities for labels 0 and 1 (scikit-learn''s log_loss: probabilities are clipped by 2^-52). Rows with a NULL are left out.';
CREATE AGGREGATE ctr_logloss(label boolean, score double precision) (
    SFUNC = ctr_logloss_transition, STYPE = pg_catalog.internal, FINALFUNC = ctr_logloss_final,
    COMBINEFUNC = ctr_logloss_combine, SERIALFUNC = ctr_logloss_serialize, DESERIALFUNC = ctr_logloss_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_logloss(boolean, double precision) IS
    'Mean logarithmic loss (nats) of probabilities for boolean labels (scikit-learn''s log_loss: probabilities are clipped by 2^-52). Rows with a NULL are left out.';

CREATE FUNCTION ctr_logloss_transition(pg_catalog.internal, double precision, double precision, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_logloss_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_transition(pg_catalog.internal, double precision, double precision, double precision) IS 'transition function of ctr_logloss with weights';
CREATE FUNCTION ctr_logloss_transition(pg_catalog.internal, boolean, double precision, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_logloss_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_logloss_transition(pg_catalog.internal, boolean, double precision, double precision) IS 'transition function of ctr_logloss with weights';

CREATE AGGREGATE ctr_logloss(label double precision, score double precision, weight double precision) (
    SFUNC = ctr_logloss_transition, STYPE = pg_catalog.internal, FINALFUNC = ctr_logloss_final,
    COMBINEFUNC = ctr_logloss_combine, SERIALFUNC = ctr_logloss_serialize, DESERIALFUNC = ctr_logloss_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_logloss(double precision, double precision, double precision) IS
    'Weighted mean of the logarithmic loss (nats) of probabilities for labels 0 and 1 (scikit-learn''s log_loss with sample_weight). Rows with a NULL are left out; NULL where all weights are 0.';
CREATE AGGREGATE ctr_logloss(label boolean, score double precision, weight double precision) (
    SFUNC = ctr_logloss_transition, STYPE = pg_catalog.internal, FINALFUNC = ctr_logloss_final,
    COMBINEFUNC = ctr_logloss_combine, SERIALFUNC = ctr_logloss_serialize, DESERIALFUNC = ctr_logloss_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_logloss(boolean, double precision, double precision) IS
    'Weighted mean of the logarithmic loss (nats) of probabilities for boolean labels (scikit-learn''s log_loss with sample_weight). Rows with a NULL are left out; NULL where all weights are 0.';

CREATE TYPE ctr_calibration_bin AS (bin integer, score double precision, label double precision, rows bigint);
COMMENT ON TYPE ctr_calibration_bin IS 'element of ctr_calibration''s result: rows between two neighbouring quantiles of the scores';
COMMENT ON COLUMN ctr_calibration_bin.bin IS 'number, from 1 for the lowest scores';
COMMENT ON COLUMN ctr_calibration_bin.score IS 'mean score';
COMMENT ON COLUMN ctr_calibration_bin.label IS 'mean label: what the mean score should be';
COMMENT ON COLUMN ctr_calibration_bin.rows IS 'rows';

CREATE FUNCTION ctr_curve_transition(pg_catalog.internal, double precision, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_curve_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_curve_transition(pg_catalog.internal, double precision, double precision) IS 'transition function of ctr_calibration';
CREATE FUNCTION ctr_curve_transition(pg_catalog.internal, boolean, double precision) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_curve_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_curve_transition(pg_catalog.internal, boolean, double precision) IS 'transition function of ctr_calibration';
CREATE FUNCTION ctr_curve_transition(pg_catalog.internal, double precision, double precision, integer) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_curve_transition' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_curve_transition(pg_catalog.internal, double precision, double precision, integer) IS 'transition function of ctr_calibration with a number of bins';
CREATE FUNCTION ctr_curve_transition(pg_catalog.internal, boolean, double precision, integer) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME', 'ctr_curve_transition_bool' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_curve_transition(pg_catalog.internal, boolean, double precision, integer) IS 'transition function of ctr_calibration with a number of bins';
CREATE FUNCTION ctr_curve_combine(pg_catalog.internal, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_curve_combine(pg_catalog.internal, pg_catalog.internal) IS 'combine function of ctr_calibration';
CREATE FUNCTION ctr_curve_serialize(pg_catalog.internal) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_curve_serialize(pg_catalog.internal) IS 'serialization function of ctr_calibration';
CREATE FUNCTION ctr_curve_deserialize(pg_catalog.bytea, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_curve_deserialize(pg_catalog.bytea, pg_catalog.internal) IS 'deserialization function of ctr_calibration';
CREATE FUNCTION ctr_calibration_final(pg_catalog.internal) RETURNS ctr_calibration_bin[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_calibration_final(pg_catalog.internal) IS 'final function of ctr_calibration';

CREATE AGGREGATE ctr_calibration(label double precision, score double precision) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_calibration_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_calibration(double precision, double precision) IS
    'Mean score beside mean label for labels 0 and 1, in 10 bins of equal counts, as an array of (bin, score, label, rows): scikit-learn''s calibration_curve with strategy "quantile". Equal scores share a bin, empty bins are left out. Rows with a NULL are left out; NULL without rows. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_calibration(label double precision, score double precision, bins integer) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_calibration_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_calibration(double precision, double precision, integer) IS
    'Mean score beside mean label for labels 0 and 1, in so many bins of equal counts, as an array of (bin, score, label, rows): scikit-learn''s calibration_curve with strategy "quantile". Equal scores share a bin, empty bins are left out. Rows with a NULL are left out; NULL without rows. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_calibration(label boolean, score double precision) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_calibration_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_calibration(boolean, double precision) IS
    'Mean score beside mean label for boolean labels, in 10 bins of equal counts, as an array of (bin, score, label, rows): scikit-learn''s calibration_curve with strategy "quantile". Equal scores share a bin, empty bins are left out. Rows with a NULL are left out; NULL without rows. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_calibration(label boolean, score double precision, bins integer) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_calibration_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_calibration(boolean, double precision, integer) IS
    'Mean score beside mean label for boolean labels, in so many bins of equal counts, as an array of (bin, score, label, rows): scikit-learn''s calibration_curve with strategy "quantile". Equal scores share a bin, empty bins are left out. Rows with a NULL are left out; NULL without rows. 16 bytes of memory a row.';

CREATE TYPE ctr_evaluation AS (
    rows bigint, loss double precision, auc double precision, accuracy double precision,
    normalized_entropy double precision, calibration double precision);
COMMENT ON TYPE ctr_evaluation IS 'result of ctr_evaluate';
COMMENT ON COLUMN ctr_evaluation.rows IS 'rows with a label';
COMMENT ON COLUMN ctr_evaluation.loss IS 'mean logarithmic loss, nats';
COMMENT ON COLUMN ctr_evaluation.auc IS 'area under the ROC curve; NULL where all labels are equal, and for several classes';
COMMENT ON COLUMN ctr_evaluation.accuracy IS 'share of rows whose most probable class is the label';
COMMENT ON COLUMN ctr_evaluation.normalized_entropy IS 'loss divided by the entropy of the label frequencies: below 1 is better than always predicting the mean';
COMMENT ON COLUMN ctr_evaluation.calibration IS 'mean prediction divided by mean label: 1 is unbiased; NULL for several classes';

CREATE FUNCTION ctr_evaluate_transition(pg_catalog.internal, ctr_model, pg_catalog.record) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_evaluate_transition(pg_catalog.internal, ctr_model, pg_catalog.record) IS 'transition function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_combine(pg_catalog.internal, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_combine(pg_catalog.internal, pg_catalog.internal) IS 'combine function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_serialize(pg_catalog.internal) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_serialize(pg_catalog.internal) IS 'serialization function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_deserialize(pg_catalog.bytea, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_deserialize(pg_catalog.bytea, pg_catalog.internal) IS 'deserialization function of ctr_evaluate';
CREATE FUNCTION ctr_evaluate_final(pg_catalog.internal) RETURNS ctr_evaluation
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_final(pg_catalog.internal) IS 'final function of ctr_evaluate';

CREATE AGGREGATE ctr_evaluate(ctr_model, pg_catalog.record) (
    SFUNC = ctr_evaluate_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_evaluate_final,
    COMBINEFUNC = ctr_evaluate_combine, SERIALFUNC = ctr_evaluate_serialize, DESERIALFUNC = ctr_evaluate_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_evaluate(ctr_model, pg_catalog.record) IS
    'A model''s quality on rows that have the label column it was trained on: (rows, loss, auc, accuracy, normalized_entropy, calibration). Rows with a NULL label are left out; every row counts once, whatever its weight. NULL and a WARNING without rows; an error where a group has several models.';

CREATE AGGREGATE ctr_evaluate_part(ctr_model, pg_catalog.record) (
    SFUNC = ctr_evaluate_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_evaluate_serialize,
    COMBINEFUNC = ctr_evaluate_combine, SERIALFUNC = ctr_evaluate_serialize, DESERIALFUNC = ctr_evaluate_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_evaluate_part(ctr_model, pg_catalog.record) IS
    'What ctr_evaluate would need to know of these rows, where they are only a part of all: ctr_evaluate_merge takes it. 16 bytes a row for models of one class. NULL without rows.';

CREATE FUNCTION ctr_evaluate_merge_transition(pg_catalog.internal, pg_catalog.bytea) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_evaluate_merge_transition(pg_catalog.internal, pg_catalog.bytea) IS 'transition function of ctr_evaluate_merge';

CREATE AGGREGATE ctr_evaluate_merge(pg_catalog.bytea) (
    SFUNC = ctr_evaluate_merge_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_evaluate_final,
    COMBINEFUNC = ctr_evaluate_combine, SERIALFUNC = ctr_evaluate_serialize, DESERIALFUNC = ctr_evaluate_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_evaluate_merge(pg_catalog.bytea) IS
    'The result of ctr_evaluate over the rows of all parts, exactly, from what ctr_evaluate_part gave of each. Error 22P03 for other bytes.';

CREATE TYPE ctr_feature_drift AS (
    feature pg_catalog.text, kind pg_catalog.text, rows bigint, missing double precision, missing_trained double precision,
    unseen double precision, unseen_trained double precision, mean double precision, mean_trained double precision,
    psi double precision);
COMMENT ON TYPE ctr_feature_drift IS 'element of ctr_drift''s result: how far rows are from those of the training, in one feature or in the score';
COMMENT ON COLUMN ctr_feature_drift.feature IS 'the feature''s name; of a score, the class';
COMMENT ON COLUMN ctr_feature_drift.kind IS 'score, numerical or categorical';
COMMENT ON COLUMN ctr_feature_drift.rows IS 'rows';
COMMENT ON COLUMN ctr_feature_drift.missing IS 'share of rows without a value';
COMMENT ON COLUMN ctr_feature_drift.missing_trained IS 'the same in the training';
COMMENT ON COLUMN ctr_feature_drift.unseen IS 'share of rows with a category that the model does not know, or a number beyond those of the training';
COMMENT ON COLUMN ctr_feature_drift.unseen_trained IS 'the same in the training: categories too rare to be known';
COMMENT ON COLUMN ctr_feature_drift.mean IS 'mean score, or mean number';
COMMENT ON COLUMN ctr_feature_drift.mean_trained IS 'mean label, or mean number, in the training';
COMMENT ON COLUMN ctr_feature_drift.psi IS 'population stability index; NULL where the model keeps no shares of the training';

CREATE FUNCTION ctr_drift_transition(pg_catalog.internal, ctr_model, pg_catalog.record) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_drift_transition(pg_catalog.internal, ctr_model, pg_catalog.record) IS 'transition function of ctr_drift';
CREATE FUNCTION ctr_drift_combine(pg_catalog.internal, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_drift_combine(pg_catalog.internal, pg_catalog.internal) IS 'combine function of ctr_drift';
CREATE FUNCTION ctr_drift_serialize(pg_catalog.internal) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_drift_serialize(pg_catalog.internal) IS 'serialization function of ctr_drift';
CREATE FUNCTION ctr_drift_deserialize(pg_catalog.bytea, pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_drift_deserialize(pg_catalog.bytea, pg_catalog.internal) IS 'deserialization function of ctr_drift';
CREATE FUNCTION ctr_drift_final(pg_catalog.internal) RETURNS ctr_feature_drift[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_drift_final(pg_catalog.internal) IS 'final function of ctr_drift';

CREATE AGGREGATE ctr_drift(ctr_model, pg_catalog.record) (
    SFUNC = ctr_drift_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_drift_final,
    COMBINEFUNC = ctr_drift_combine, SERIALFUNC = ctr_drift_serialize, DESERIALFUNC = ctr_drift_deserialize,
    PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_drift(ctr_model, pg_catalog.record) IS
    'How far rows are from those that a model was trained on, as an array with an element for the score (of each class) and for each feature: shares of missing and of unseen values and means, beside the training''s, and the population stability index. Labels are not needed. One model per group; NULL and a warning without rows.';

-- ------------------------------------------------------------------ scoring

CREATE FUNCTION ctr_predict_support(pg_catalog.internal) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION ctr_predict_support(pg_catalog.internal) IS
    'planner support function of ctr_predict, ctr_predict_classes and what it makes of them: hands over a table''s columns instead of its row, and tells the planner''s hook that there is a call';

CREATE FUNCTION ctr_predict(ctr_model, pg_catalog.record) RETURNS double precision
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT ctr_predict_support;
COMMENT ON FUNCTION ctr_predict(ctr_model, pg_catalog.record) IS
    'P(label = 1) of a row, for a model of one class. Features are found by name; extra columns do not matter. A NULL is a missing value, a category that training never saw takes its field''s "unseen" row.';

CREATE FUNCTION ctr_predict_classes(ctr_model, pg_catalog.record) RETURNS double precision[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 SUPPORT ctr_predict_support;
COMMENT ON FUNCTION ctr_predict_classes(ctr_model, pg_catalog.record) IS
    'The probabilities of labels 0, 1, 2, ... of a row; they add up to 1.';

CREATE FUNCTION ctr_predict_columns(ctr_model, pg_catalog.regtype, VARIADIC pg_catalog."any") RETURNS double precision
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT ctr_predict_support;
COMMENT ON FUNCTION ctr_predict_columns(ctr_model, pg_catalog.regtype, VARIADIC pg_catalog."any") IS
    'What the planner makes of ctr_predict(model, row) where it has the row''s columns: the row type and one value for each of its columns, in their order. Needs EXECUTE on ctr_predict. Not made to be called by hand.';

CREATE FUNCTION ctr_predict_classes_columns(ctr_model, pg_catalog.regtype,
    VARIADIC pg_catalog."any") RETURNS double precision[]
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT ctr_predict_support;
COMMENT ON FUNCTION ctr_predict_classes_columns(ctr_model, pg_catalog.regtype, VARIADIC pg_catalog."any") IS
    'What the planner makes of ctr_predict_classes(model, row), as ctr_predict_columns.';

CREATE FUNCTION ctr_predict_batch(ctr_model, pg_catalog.record) RETURNS double precision
    AS 'MODULE_PATHNAME' LANGUAGE C WINDOW IMMUTABLE PARALLEL SAFE COST 200;
COMMENT ON FUNCTION ctr_predict_batch(ctr_model, pg_catalog.record) IS
    'As ctr_predict, as a window function (OVER ()) that scores rows in blocks of 256 by ctr.threads threads while it reads the next. It reads ahead as many rows as have come before, up to 4096.';

-- ------------------------------------------------------------------ looking inside

CREATE FUNCTION ctr_config(ctr_model) RETURNS pg_catalog.jsonb
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION ctr_config(ctr_model) IS
    'A model''s architecture, options (all of them, with the recipe''s values), columns, row counts, epochs, settings that were compared, number of trained parameters, end of the training (UTC), and versions.';

CREATE FUNCTION ctr_describe(ctr_model) RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION ctr_describe(ctr_model) IS
    'A model in one line, for lists: architecture, features, known categories, size, the quality of the epoch whose weights it has, and the day of its training (UTC).';

CREATE FUNCTION ctr_summary(ctr_model, OUT layer pg_catalog.text, OUT kind pg_catalog.text, OUT output_shape integer[],
    OUT parameters bigint)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 80;
COMMENT ON FUNCTION ctr_summary(ctr_model) IS
    'One row per module of the network, in the order of their work: its path in the state_dict, what PyTorch calls it, the shape of its output (-1: the rows of a batch), and its trained parameters, which add up to ctr_config''s.';

CREATE FUNCTION ctr_history(ctr_model, OUT epoch integer, OUT train_loss double precision, OUT train_auc double precision,
    OUT val_loss double precision, OUT val_auc double precision, OUT learning_rate double precision,
    OUT seconds double precision, OUT is_best boolean)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 20;
COMMENT ON FUNCTION ctr_history(ctr_model) IS
    'One row per epoch of training: losses in nats per row, areas under the ROC curve, the learning rate, wall-clock seconds, and whether its weights are the model''s. NULL: not measured.';

CREATE FUNCTION ctr_features(ctr_model, OUT "position" integer, OUT name pg_catalog.text, OUT kind pg_catalog.text,
    OUT categories integer,
    OUT missing bigint, OUT imputed_value double precision, OUT columns pg_catalog.text[])
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 40;
COMMENT ON FUNCTION ctr_features(ctr_model) IS
    'One row per feature, in the network''s order: kind ''numerical'', ''categorical'' or, for a pair of columns that is a category besides, ''cross''; categories: rows of its embedding table (known ones, "unseen" and "missing"); missing: training rows without a value; imputed_value: what a missing number becomes, before the transform; columns: those that it comes from.';

CREATE FUNCTION ctr_tensors(ctr_model, OUT name pg_catalog.text, OUT dtype pg_catalog.text, OUT shape bigint[],
    OUT bytes bigint)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 80;
COMMENT ON FUNCTION ctr_tensors(ctr_model) IS
    'One row per tensor of a model, by name: the network''s under their state_dict names, the encoder''s and the history under names that begin with "ctr.". dtype and shape as in safetensors.';

CREATE FUNCTION ctr_tensor(ctr_model, pg_catalog.text) RETURNS real[]
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_tensor(ctr_model, pg_catalog.text) IS
    'The values of one tensor, as an array of its shape; a single number is an array of one. Error 42704 for a name that ctr_tensors does not list.';

CREATE FUNCTION ctr_progress(OUT pid integer, OUT datid pg_catalog.oid, OUT usesysid pg_catalog.oid, OUT phase pg_catalog.text,
    OUT rows bigint, OUT group_number integer, OUT epoch integer, OUT epochs integer, OUT batch bigint, OUT batches bigint,
    OUT loss double precision, OUT best_metric double precision, OUT best_epoch integer, OUT elapsed pg_catalog.interval,
    OUT estimated_end pg_catalog.timestamptz)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 100 ROWS 10;
COMMENT ON FUNCTION ctr_progress() IS 'What the view ctr_progress shows.';

CREATE VIEW ctr_progress AS
SELECT p.pid, d.datname, pg_catalog.pg_get_userbyid(p.usesysid) AS usename, p.phase, p.rows, p.group_number, p.epoch, p.epochs,
    p.batch, p.batches, p.loss, p.best_metric, p.best_epoch, p.elapsed, p.estimated_end
FROM ctr_progress() p LEFT JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) p.datid;
COMMENT ON VIEW ctr_progress IS
    'One row per training that runs on this server, in any session: phase (reading, encoding, training, validating, comparing, finishing), rows read, the group''s number, epoch of epochs, batch of batches, mean loss of the epoch so far, best validation metric and its epoch, time since the first row, estimated end if all epochs are trained. Other roles'' trainings have NULLs there, unless one has the rights of pg_read_all_stats. Needs track_activities.';
GRANT SELECT ON ctr_progress TO PUBLIC;

CREATE FUNCTION ctr_model_cache(OUT digest pg_catalog.text, OUT bytes bigint, OUT backends integer, OUT hits bigint,
    OUT misses bigint)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL SAFE COST 100 ROWS 10;
COMMENT ON FUNCTION ctr_model_cache() IS 'What the view ctr_model_cache shows.';

CREATE VIEW ctr_model_cache AS
SELECT m.digest, m.bytes, m.backends, m.hits, m.misses FROM ctr_model_cache() m;
COMMENT ON VIEW ctr_model_cache IS
    'One row per model that the server''s backends have shared or tried to share: its digest, bytes of shared memory that hold it (0: none, now), backends that have them mapped, how often a backend found it there (hits), and how often one had to unpack it (misses). Databases of different encodings have their own. Empty where nothing is shared: ctr.shared_model_memory.';
GRANT SELECT ON ctr_model_cache TO PUBLIC;

CREATE FUNCTION ctr_plot(ctr_model, plot pg_catalog.text) RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION ctr_plot(ctr_model, pg_catalog.text) IS
    'A picture of a model as SVG: ''loss'' or ''auc'' of training and validation rows by epoch, with the best epoch marked; ''importance'' of the features, as ctr_importance has it, the first 60; ''interactions'', a heat map of what each two features have together, as ctr_interactions has it of the whole network, for the 40 features of the strongest pairs. Plain ASCII without scripts, right on light and dark screens.';

CREATE FUNCTION ctr_report(ctr_model) RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20000;
COMMENT ON FUNCTION ctr_report(ctr_model) IS
    'All that a model says of itself on one page of HTML: rows, quality, training curves, the importance and the interactions of features, how many rows their categories cover, derived inputs, layers, options. It needs no network and no script.';

CREATE FUNCTION ctr_plot_roc_final(pg_catalog.internal) RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_plot_roc_final(pg_catalog.internal) IS 'final function of ctr_plot_roc';
CREATE FUNCTION ctr_plot_calibration_final(pg_catalog.internal) RETURNS pg_catalog.text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_plot_calibration_final(pg_catalog.internal) IS 'final function of ctr_plot_calibration';

CREATE AGGREGATE ctr_plot_roc(label double precision, score double precision) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_plot_roc_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_plot_roc(double precision, double precision) IS
    'The ROC curve of scores for labels 0 and 1 as SVG, with the area under it. Rows with a NULL are left out; NULL where all labels are equal. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_plot_roc(label boolean, score double precision) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_plot_roc_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_plot_roc(boolean, double precision) IS
    'The ROC curve of scores for boolean labels as SVG, with the area under it. Rows with a NULL are left out; NULL where all labels are equal. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_plot_calibration(label double precision, score double precision) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_plot_calibration_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_plot_calibration(double precision, double precision) IS
    'Mean label beside mean score for labels 0 and 1 as SVG, in the 10 bins of ctr_calibration. Rows with a NULL are left out; NULL without rows. 16 bytes of memory a row.';
CREATE AGGREGATE ctr_plot_calibration(label boolean, score double precision) (
    SFUNC = ctr_curve_transition, STYPE = pg_catalog.internal, SSPACE = 65536, FINALFUNC = ctr_plot_calibration_final,
    COMBINEFUNC = ctr_curve_combine, SERIALFUNC = ctr_curve_serialize, DESERIALFUNC = ctr_curve_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_plot_calibration(boolean, double precision) IS
    'Mean label beside mean score for boolean labels as SVG, in the 10 bins of ctr_calibration. Rows with a NULL are left out; NULL without rows. 16 bytes of memory a row.';

CREATE FUNCTION ctr_importance(ctr_model, OUT feature pg_catalog.text, OUT importance double precision,
    OUT attention double precision)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 40;
COMMENT ON FUNCTION ctr_importance(ctr_model) IS
    'One row per feature, the most important first: the mean size of its contribution to the logit (as ctr_explain has it) over a sample of the validation rows, or of the training rows where none are held back to the end, and for FiBiNET the network''s mean attention to it.';

CREATE FUNCTION ctr_interactions(ctr_model, OUT layer pg_catalog.text, OUT feature_a pg_catalog.text,
    OUT feature_b pg_catalog.text, OUT strength double precision)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20000 ROWS 1000;
COMMENT ON FUNCTION ctr_interactions(ctr_model) IS
    'One row per pair of features, the strongest first: in layer ''network'' what they have together in the whole network, in logits; then for each layer that multiplies features how large the weights are between them, each times the standard deviations of the two inputs. Layer ''crosses'': what the inputs of chosen pairs of columns contribute. Inputs are taken to vary independently; those derived from one number do not, so that pairs of numbers may come out too strong.';

CREATE FUNCTION ctr_explain(ctr_model, pg_catalog.record, OUT feature pg_catalog.text, OUT value pg_catalog.text,
    OUT status pg_catalog.text, OUT attention double precision, OUT contribution double precision)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50000 ROWS 40;
COMMENT ON FUNCTION ctr_explain(ctr_model, pg_catalog.record) IS
    'One row per feature of a row: its value, its status (known, rare, missing, unseen), the network''s attention to it (FiBiNET; NULL elsewhere), and what it contributes to the row''s logit against that of the average training row (integrated gradients): contributions add up to the difference. Of several classes, the one of the highest score is explained.';
CREATE FUNCTION ctr_explain(ctr_model, pg_catalog.record, class integer, OUT feature pg_catalog.text, OUT value pg_catalog.text,
    OUT status pg_catalog.text, OUT attention double precision, OUT contribution double precision)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50000 ROWS 40;
COMMENT ON FUNCTION ctr_explain(ctr_model, pg_catalog.record, integer) IS
    'ctr_explain for a given class: 0 to n_classes - 1; 1 of a model of one class.';

-- ------------------------------------------------------------------ in and out

CREATE FUNCTION ctr_state_dict(ctr_model) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION ctr_state_dict(ctr_model) IS
    'A safetensors file of the network''s weights and buffers alone, which PyTorch''s load_state_dict(strict=True) of the same network takes.';

CREATE FUNCTION ctr_chunks(ctr_model, size integer DEFAULT 16777216, OUT part integer, OUT bytes pg_catalog.bytea)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000 ROWS 40;
COMMENT ON FUNCTION ctr_chunks(ctr_model, integer) IS
    'A model''s bytes in parts of a size (the last may be shorter), numbered from 1: for pg_dump, COPY as text and drivers, whose values end at a text of 1 GB. ctr_from_chunks puts them together.';

CREATE FUNCTION ctr_from_chunks_transition(pg_catalog.internal, integer, pg_catalog.bytea) RETURNS pg_catalog.internal
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_from_chunks_transition(pg_catalog.internal, integer, pg_catalog.bytea) IS 'transition function of ctr_from_chunks';
CREATE FUNCTION ctr_from_chunks_final(pg_catalog.internal) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_from_chunks_final(pg_catalog.internal) IS 'final function of ctr_from_chunks';
CREATE AGGREGATE ctr_from_chunks(part integer, bytes pg_catalog.bytea) (
    SFUNC = ctr_from_chunks_transition, STYPE = pg_catalog.internal, SSPACE = 16777216,
    FINALFUNC = ctr_from_chunks_final, FINALFUNC_MODIFY = READ_WRITE, PARALLEL = SAFE);
COMMENT ON AGGREGATE ctr_from_chunks(integer, pg_catalog.bytea) IS
    'A model from the parts that ctr_chunks made of it, in whatever order they arrive. Its bytes are validated as by the cast. Error 22P03 where a part is missing or there twice; rows with a NULL are left out; NULL without rows.';

CREATE FUNCTION ctr_to_onnx(ctr_model) RETURNS pg_catalog.bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 20000;
COMMENT ON FUNCTION ctr_to_onnx(ctr_model) IS
    'An ONNX file of the network, operator set 17: from x_num [batch, numbers] float and x_cat [batch, fields] int64, as ctr_encode gives them, to probability, [batch] or [batch, classes]. The metadata entry "ctr.encoder" says in JSON how a raw row becomes x_num and x_cat. Error 0A000 in a build without protobuf-c.';

CREATE FUNCTION ctr_load_weights(ctr_model, pg_catalog.bytea) RETURNS ctr_model
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION ctr_load_weights(ctr_model, pg_catalog.bytea) IS
    'The model with the weights and buffers of a safetensors file, as save_file writes the state_dict of the same network: all names and shapes must be the model''s, weights may be F32, F16, BF16 or F64. History and importances, which were those of other weights, are left out.';

CREATE FUNCTION ctr_vocabulary(ctr_model, feature pg_catalog.text, OUT code integer, OUT value pg_catalog.text, OUT count bigint)
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 1000;
COMMENT ON FUNCTION ctr_vocabulary(ctr_model, pg_catalog.text) IS
    'One row per row of a categorical feature''s embedding table: its code, as in ctr_encode''s x_cat; the category, NULL for code 0 (unseen, or rarer than min_count) and code 1 (missing); the training rows that had it, NULL where they were not counted. Features are categorical columns, pairs of columns ("a*b") and buckets of numbers ("price.bucket").';

CREATE FUNCTION ctr_embeddings(ctr_model, feature pg_catalog.text, OUT code integer, OUT value pg_catalog.text,
    OUT embedding real[])
    RETURNS SETOF pg_catalog.record
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10000 ROWS 1000;
COMMENT ON FUNCTION ctr_embeddings(ctr_model, pg_catalog.text) IS
    'One row per category of a feature, with code and value as in ctr_vocabulary: the vector that the network has learnt for it.';

CREATE FUNCTION ctr_encode(ctr_model, pg_catalog.record, OUT x_num real[], OUT x_cat integer[])
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION ctr_encode(ctr_model, pg_catalog.record) IS
    'What the network sees of a row: numerical inputs after the transform, and per category field the row of its embedding table (0 unseen, 1 missing).';

-- ------------------------------------------------------------------ build information

CREATE FUNCTION ctr_build_info(OUT version pg_catalog.text, OUT postgresql pg_catalog.text, OUT blas pg_catalog.text,
    OUT threads integer, OUT onnx pg_catalog.text)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION ctr_build_info() IS
    'The extension''s version, the PostgreSQL it was built for, what makes its matrix products (kernels of its own, or a BLAS library), the threads that a training would use, and the library by which ctr_to_onnx writes; NULL: the build has none.';
