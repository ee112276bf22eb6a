-- options: builders, defaults of recipes, and every misuse
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
\pset null '-'

-- the builders give what the reference's constructors take; they join
SELECT ctr_deepcross();
SELECT ctr_fibinet();
SELECT ctr_deepfm();
SELECT ctr_wide_deep(d_embed => 4);
SELECT ctr_fit();
SELECT ctr_fit(label => 'click', categorical => '{a,b}', epochs => 3, learning_rate => 0.01, seed => 7);
SELECT ctr_deepcross(cross_type => 'mix', n_cross => NULL) || ctr_fit(epochs => 3) || ctr_fit(patience => 1);
SELECT ctr_options(ctr_deepcross(mlp_layers => '{16}') || ctr_fit(recipe => 'reference')) IS NOT NULL
       AS valid;

-- null is as good as not given; bounds are allowed
SELECT ctr_options('{"epochs": null, "architecture": null, "label": null, "ignore": null}') IS NOT NULL
       AS valid;
SELECT count(ctr_options(o)) AS valid, count(*) AS of
FROM unnest(ARRAY['{"validation": 0}', '{"validation": 0.9}', '{"n_cross": 0}', '{"n_classes": 1000}',
                  '{"mlp_layers": [1]}',
    '{"mlp_dropout": 0}', '{"numerical": []}', '{"seed": 9007199254740991}', '{"epochs": 1e1}',
    '{"batch_size": 1}',
    '{"architecture": "fibinet", "reduction_ratio": 0.5}', '{"clip_norm": 1, "embedding_init": 0.01}',
    '{"target_statistics": false}']::jsonb[]) o;

-- a table of misuses: state, message, detail, hint
CREATE FUNCTION misuse(options text) RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT ' || options;
    message := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    detail := nullif(regexp_replace(detail, '( are: architecture, recipe), .*', '\1, …'), '');
    hint := nullif(hint, '');
    RETURN NEXT;
END $$;
\x on
SELECT o AS options, misuse.* FROM unnest(ARRAY[
    -- keys that there are not, or not for this architecture
    $$ctr_options('{"learning_rat": 1}')$$,
    $$ctr_options('{"dropout_of_the_mlp": 1}')$$,
    $$ctr_options('{"": {"a": [1]}}')$$,
    $$ctr_options('{"n_cross": 1, "architecture": "fibinet"}')$$,
    $$ctr_options('{"d_embed": 4}')$$,
    $$ctr_options(ctr_deepcross() || ctr_fibinet())$$,
    $$ctr_options('{"architecture": "fibnet"}')$$,
    $$ctr_options('{"architecture": 1}')$$,
    -- values of the network's options
    $$ctr_deepcross(cross_type => 'metrix')$$,
    $$ctr_deepcross(cross_type => 'field_all')$$,
    $$ctr_fibinet(bilinear_type => 'field_al')$$,
    $$ctr_deepcross(n_cross => -1)$$,
    $$ctr_deepcross(n_cross => 65)$$,
    $$ctr_deepcross(d_embed_max => 0)$$,
    $$ctr_deepcross(mlp_layers => '{}')$$,
    $$ctr_deepcross(mlp_layers => '{64,0}')$$,
    $$ctr_deepcross(mlp_layers => '{{64,32}}')$$,
    $$ctr_deepcross(mlp_layers => '{64,NULL}')$$,
    $$ctr_deepcross(mlp_layers => array_fill(8, '{17}'))$$,
    $$ctr_deepcross(mlp_dropout => 1)$$,
    $$ctr_deepcross(mlp_dropout => 'NaN')$$,
    $$ctr_deepcross(n_classes => 0)$$,
    $$ctr_fibinet(reduction_ratio => 0)$$,
    $$ctr_options('{"mlp_layers": 64}')$$,
    $$ctr_options('{"stacked": "yes"}')$$,
    -- names of columns
    $$ctr_fit(label => '')$$,
    $$ctr_options('{"label": ["a"]}')$$,
    $$ctr_fit(ignore => '{a,""}')$$,
    $$ctr_options('{"ignore": "a"}')$$,
    $$ctr_options('{"ignore": ["a", 1]}')$$,
    -- values of the training's options
    $$ctr_fit(validation => 0.95)$$,
    $$ctr_fit(recipe => 'robst')$$,
    $$ctr_fit(epochs => -1)$$,
    $$ctr_options('{"epochs": 2.5}')$$,
    $$ctr_options('{"epochs": "2"}')$$,
    $$ctr_options('{"epochs": 1e300}')$$,
    $$ctr_fit(batch_size => 1048577)$$,
    $$ctr_fit(learning_rate => 0)$$,
    $$ctr_fit(learning_rate => 'Infinity')$$,
    $$ctr_fit(lr_schedule => 'cosin')$$,
    $$ctr_fit(weight_decay => -1)$$,
    $$ctr_fit(patience => -1)$$,
    $$ctr_fit(monitor => 'val_acc')$$,
    $$ctr_fit(min_count => 0)$$,
    $$ctr_fit(numerical_transform => 'logarithm')$$,
    $$ctr_options('{"n_classes": 3, "target_statistics": true}')$$,
    $$ctr_fit(numerical_buckets => 257)$$,
    $$ctr_fit(seed => -1)$$,
    $$ctr_fit(seed => 9223372036854775807)$$,
    $$ctr_fit(threads => 1025)$$,
    $$ctr_fit(max_seconds => -1)$$,
    -- no object; and what is too long to be shown whole
    $$ctr_options('[{"epochs": 1}]')$$,
    $$ctr_options('"epochs"')$$,
    $$ctr_options('null')$$,
    $$ctr_options(('{"epochs": "' || repeat('x', 100000) || '"}')::jsonb)$$,
    $$ctr_options(('{"' || repeat('x', 100) || '": 1}')::jsonb)$$
    ]) o, misuse(o);
\x off
DROP FUNCTION misuse;

-- the list of options; every argument of the builders is in it, and every option is an argument of one
SELECT * FROM ctr_options() WHERE option IN ('architecture', 'cross_type', 'mlp_layers', 'epochs',
    'learning_rate', 'label', 'weight', 'clip_norm');
WITH a AS (SELECT DISTINCT unnest(proargnames) AS name FROM pg_proc p
           JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e'
           WHERE proname IN ('ctr_fit', 'ctr_deepcross', 'ctr_fibinet', 'ctr_deepfm', 'ctr_wide_deep'))
SELECT array_agg(name) FILTER (WHERE option IS NULL) AS not_listed,
       array_agg(option) FILTER (WHERE name IS NULL) AS no_argument
FROM a FULL JOIN (SELECT DISTINCT option FROM ctr_options()) o ON name = option;
SELECT count(*) AS wrong FROM ctr_options() o, unnest(architectures) a,
                              (VALUES ('robust'), ('reference')) r(recipe)
WHERE ctr_options(jsonb_strip_nulls(jsonb_build_object('architecture', a, 'recipe', recipe) ||
      jsonb_build_object(option, CASE recipe WHEN 'robust' THEN robust ELSE reference END))) IS NULL;
SELECT ctr_fit(learnin_rate => 1); -- PostgreSQL's own words
