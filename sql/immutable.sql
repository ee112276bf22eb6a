-- functions labelled IMMUTABLE: no setting changes what they return, and the planner makes constants of them
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;

-- the planner makes constants of the builders' calls
EXPLAIN (VERBOSE, COSTS OFF)
SELECT ctr_fit(label => 'click', learning_rate => 0.1, ignore => '{id,"a b"}') AS fit,
       ctr_fibinet(n_classes => 3) AS fibinet;
EXPLAIN (VERBOSE, COSTS OFF) SELECT ctr_deepcross() || ctr_fit(validation => 0.3) AS options;
SET extra_float_digits = -10;
SELECT ctr_fit(learning_rate => 0.0012345678901234567, validation => 1.0 / 3.0, seed => 9007199254740991);
SELECT ctr_fit(learning_rate => 1e-9, clip_norm => 100000);
SELECT ctr_fit(learning_rate => '-Infinity');
RESET extra_float_digits;
SELECT ctr_fit(label => E'quo"te\\\n', numerical => ARRAY['a,b', '"']);
SELECT ctr_deepcross(mlp_layers => '{{64},{32}}');

-- one call of every such function that SQL can call
CREATE TABLE facts AS
SELECT (i % 3 = 0)::int AS label, i * 0.1::float8 AS price, 'c' || i % 5 AS city, i % 2 = 0 AS old
FROM generate_series(1, 200) i;
CREATE TABLE made AS SELECT ctr_train(f, ctr_fit(epochs => 1)) AS model FROM facts f;
ALTER TABLE made ADD start ctr_model, ADD merged ctr_model;
UPDATE made SET start = (SELECT ctr_merge(part)
                         FROM (SELECT ctr_prepare(f, ctr_fit(crosses => 'none', target_statistics => false)) AS part FROM facts f) p);
UPDATE made SET merged = (SELECT ctr_train(f, ctr_fit(epochs => 1), start) FROM facts f);
CREATE TABLE calls (function regprocedure, expression text, bytes text);
INSERT INTO calls VALUES
    ('ctr_model_in(cstring)', 'public.ctr_model_in(encode(model::bytea, ''escape'')::cstring)'),
    ('ctr_model_out(ctr_model)', 'public.ctr_model_out(model)::text'),
    ('ctr_model_send(ctr_model)', 'public.ctr_model_send(model)'),
    ('ctr_model(bytea)', 'public.ctr_model(model::bytea)'),
    ('ctr_model_eq(ctr_model,ctr_model)', 'public.ctr_model_eq(model, model)'),
    ('ctr_model_ne(ctr_model,ctr_model)', 'public.ctr_model_ne(model, model)'),
    ('ctr_model_lt(ctr_model,ctr_model)', 'public.ctr_model_lt(model, model)'),
    ('ctr_model_le(ctr_model,ctr_model)', 'public.ctr_model_le(model, model)'),
    ('ctr_model_ge(ctr_model,ctr_model)', 'public.ctr_model_ge(model, model)'),
    ('ctr_model_gt(ctr_model,ctr_model)', 'public.ctr_model_gt(model, model)'),
    ('ctr_model_cmp(ctr_model,ctr_model)', 'public.ctr_model_cmp(model, model)'),
    ('ctr_model_hash(ctr_model)', 'public.ctr_model_hash(model)'),
    ('ctr_model_hash_extended(ctr_model,bigint)', 'public.ctr_model_hash_extended(model, 7)'),
    ('ctr_options(jsonb)', 'public.ctr_options(''{"clip_norm": 0.123456789}'')'),
    ('ctr_options()', 'array(SELECT o FROM public.ctr_options() o)'),
    ('ctr_deepcross'::regproc::oid, 'public.ctr_deepcross(mlp_dropout => 0.123456789012345)'),
    ('ctr_fibinet'::regproc::oid, 'public.ctr_fibinet(reduction_ratio => 1.23456789012345)'),
    ('ctr_deepfm'::regproc::oid, 'public.ctr_deepfm(mlp_dropout => 0.123456789012345)'),
    ('ctr_wide_deep'::regproc::oid, 'public.ctr_wide_deep(mlp_dropout => 0.123456789012345)'),
    ('ctr_fit'::regproc::oid, 'public.ctr_fit(learning_rate => 0.0123456789012345, ignore => ''{a}'')'),
    ('ctr_predict(ctr_model,record)', 'array(SELECT public.ctr_predict(model, f) FROM public.facts f)'),
    ('ctr_predict_classes(ctr_model,record)',
     'array(SELECT public.ctr_predict_classes(model, f) FROM public.facts f)'),
    ('ctr_predict_batch(ctr_model,record)',
     'array(SELECT public.ctr_predict_batch(model, f) OVER () FROM public.facts f)'),
    ('ctr_encode(ctr_model,record)', 'array(SELECT public.ctr_encode(model, f) FROM public.facts f)'),
    ('ctr_describe(ctr_model)', 'convert_to(public.ctr_describe(model), ''UTF8'')'),
    ('ctr_summary(ctr_model)', 'array(SELECT s FROM public.ctr_summary(model) s)'),
    ('ctr_plot(ctr_model,text)', 'public.ctr_plot(model, ''loss'')'),
    ('ctr_report(ctr_model)', 'public.ctr_report(model)'),
    ('ctr_importance(ctr_model)', 'array(SELECT i FROM public.ctr_importance(model) i)'),
    ('ctr_interactions(ctr_model)', 'array(SELECT i FROM public.ctr_interactions(model) i)'),
    ('ctr_explain(ctr_model,record)',
     'array(SELECT e FROM public.facts f, LATERAL public.ctr_explain(model, f) e)'),
    ('ctr_explain(ctr_model,record,integer)',
     'array(SELECT e FROM public.facts f, LATERAL public.ctr_explain(model, f, 1) e)'),
    ('ctr_config(ctr_model)', 'public.ctr_config(model)'),
    ('ctr_history(ctr_model)', 'array(SELECT h FROM public.ctr_history(model) h)'),
    ('ctr_features(ctr_model)', 'array(SELECT h FROM public.ctr_features(model) h)'),
    ('ctr_tensors(ctr_model)', 'array(SELECT t FROM public.ctr_tensors(model) t)'),
    ('ctr_tensor(ctr_model,text)', 'array(SELECT ROW(public.ctr_tensor(model, name)) '
                                   'FROM public.ctr_tensors(model) WHERE dtype = ''F32'' AND bytes > 0)'),
    ('ctr_state_dict(ctr_model)', 'public.ctr_state_dict(model)'),
    ('ctr_changes(ctr_model,ctr_model)', 'public.ctr_changes(merged, start)'),
    ('ctr_apply(ctr_model,bytea)', 'public.ctr_apply(start, public.ctr_changes(merged, start))::bytea'),
    ('ctr_chunks(ctr_model,integer)', 'array(SELECT c FROM public.ctr_chunks(model, 1000) c)'),
    ('ctr_load_weights(ctr_model,bytea)', 'public.ctr_load_weights(model, public.ctr_state_dict(model))::bytea'),
    ('ctr_vocabulary(ctr_model,text)',
     'array(SELECT v FROM public.ctr_features(model) f, LATERAL public.ctr_vocabulary(model, f.name) v WHERE f.kind = ''categorical'')'),
    ('ctr_embeddings(ctr_model,text)',
     'array(SELECT e FROM public.ctr_features(model) f, LATERAL public.ctr_embeddings(model, f.name) e WHERE f.kind = ''categorical'')'),
    ('ctr_step(ctr_model,ctr_model,ctr_model,double precision)', 'public.ctr_step(start, merged, NULL, 0.5)'),
    ('ctr_to_onnx(ctr_model)', -- which a build without protobuf-c does not have
     'CASE WHEN (public.ctr_build_info()).onnx IS NOT NULL THEN public.ctr_to_onnx(model) END');

-- none is left out
SELECT p.oid::regprocedure AS not_called FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND extname = 'ctr'
WHERE provolatile = 'i' AND NOT 'internal'::regtype = ANY (proargtypes) AND p.prokind <> 'a'
    AND p.oid NOT IN (SELECT function FROM calls);

-- the result in binary format, which no setting changes
CREATE FUNCTION bytes_of(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE bytes text;
BEGIN
    EXECUTE 'SELECT md5(record_send(ROW(' || expression || '))) FROM public.made' INTO bytes;
    RETURN bytes;
END $$;
UPDATE calls SET bytes = bytes_of(expression);

-- functions whose result another value of a setting changes: none
CREATE FUNCTION differing(setting text, value text) RETURNS TABLE (function regprocedure) LANGUAGE plpgsql
AS $$
DECLARE before text := current_setting(setting);
BEGIN
    PERFORM set_config(setting, value, true);
    FOR function IN SELECT c.function FROM public.calls c
                    WHERE c.bytes IS DISTINCT FROM public.bytes_of(c.expression) LOOP RETURN NEXT; END LOOP;
    PERFORM set_config(setting, before, true);
END $$;
SELECT s.*, d.function FROM (VALUES ('extra_float_digits', '-10'), ('bytea_output', 'escape'),
                                    ('DateStyle', 'German'), ('TimeZone', 'Asia/Kolkata'),
    ('IntervalStyle', 'sql_standard'), ('search_path', 'pg_catalog'), ('lc_numeric', 'POSIX'),
    ('lc_monetary', 'POSIX'), ('lc_time', 'POSIX'),
    ('xmlbinary', 'hex'), ('quote_all_identifiers', 'on'), ('array_nulls', 'off'),
    ('standard_conforming_strings', 'off'), ('work_mem', '64kB'),
    ('client_encoding', 'LATIN1'), ('ctr.threads', '1')) s(setting, value), differing(setting, value) d;
DROP FUNCTION bytes_of, differing;
DROP TABLE facts, made, calls;
