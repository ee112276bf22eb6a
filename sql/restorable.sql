-- whatever ctr_train returns comes in again, and scores: huge numbers, metrics that are none, odd names,
-- many columns, odd categories
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;

-- 'yes', or the error of the training; anything else that goes wrong is raised
CREATE FUNCTION restored(source text, options jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    trained ctr_model;
    further ctr_model;
    fine boolean;
BEGIN
    BEGIN
        EXECUTE format('SELECT ctr_train(t, %L) FROM (%s) t',
                       '{"epochs": 2, "min_count": 1, "mlp_layers": [2]}'::jsonb || options, source)
                       INTO trained;
    EXCEPTION WHEN OTHERS THEN
        RETURN SQLSTATE || ': ' || SQLERRM;
    END;
    IF trained::text::ctr_model::bytea <> trained::bytea
        OR ctr_model(trained::bytea)::bytea <> trained::bytea THEN
        RETURN 'other bytes';
    END IF;
    EXECUTE format('SELECT bool_and(p BETWEEN 0 AND 1), ctr_train(t, ''{"epochs": 1}'', $1) '
                   'FROM (%s) t, LATERAL (SELECT max(p) AS p FROM unnest(ctr_predict_classes($1, t)) p) s',
                   source)
    INTO fine, further USING trained;
    RETURN CASE WHEN fine AND further::bytea::ctr_model IS NOT NULL THEN 'yes' ELSE 'no score' END;
END $$;

-- numbers of all sizes: training returns an error, or what can be restored
CREATE TABLE tried AS
SELECT architecture, transform, size,
       restored(format('SELECT (hashint4(i) %% 3 = 0)::int AS label, hashint8extended(i, 0) / 9e18 * 1e%s AS '
                       'x, ''c'' || i %% 5 AS k FROM generate_series(1, 500) i', size),
    jsonb_build_object('architecture', architecture, 'numerical_transform', transform)) AS result
FROM unnest('{deepcross,fibinet}'::text[]) architecture,
     unnest('{none,standard,log,quantile}'::text[]) transform, unnest('{0,8,18,19,30,300}'::int[]) size;
SELECT architecture, transform, bool_and(result = 'yes') AS always FROM tried WHERE transform <> 'none'
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT architecture, min(left(result, 31)) FILTER (WHERE size = 0) AS small,
       min(left(result, 24)) FILTER (WHERE size = 19) AS huge,
       bool_and(result = 'yes' OR result LIKE '22003: training diverged: %') AS nothing_else FROM tried
       WHERE transform = 'none' GROUP BY 1 ORDER BY 1;

-- the error names the column and what to do
\set VERBOSITY default
SELECT length(ctr_train(c, ctr_fibinet() || ctr_fit(epochs => 2, numerical_transform => 'none'))::bytea) > 0
FROM (
    SELECT (hashint4(i) % 3 = 0)::int AS label, (i - 1000) * 9223372036854775 AS user_hash, 'c' || i % 5 AS k
    FROM generate_series(1, 2000) i) c;
\set VERBOSITY terse

-- metrics that are none, a training without time, rows of other kinds
CREATE TABLE rows AS
SELECT i % 2 AS label, i % 3 AS class, i % 4 = 0 AS held, 1.5 AS w, i % 7 AS x, 'c' || i % 5 AS c
FROM generate_series(1, 60) i;
SELECT restored('SELECT class AS label, x, c FROM rows', '{"n_classes": 3}') AS classes,
       restored('SELECT label, x, c, held FROM (SELECT * FROM rows '
                'UNION ALL SELECT 1, 0, false, 1, 3, NULL) r',
                '{"validation_column": "held"}') AS one_class_held,
       restored('SELECT label, x, c FROM rows', '{"validation": 0}') AS no_validation,
       restored('SELECT label, x, c FROM rows', '{"max_seconds": 1e-9}') AS no_time,
       restored('SELECT nullif(label, 1) + i AS label, x, c FROM rows, generate_series(0, 1) i') AS skipped,
       restored('SELECT label, w, c FROM rows', '{"weight": "w"}') AS weights,
       restored('SELECT label, NULL::int AS x, NULL::text AS c FROM rows') AS nothing_but_nulls,
       restored('SELECT label, 1 AS x FROM rows') AS constant;

-- names: of 63 bytes, with everything that JSON escapes, of the file's own parts
SELECT restored(format('SELECT label AS %1$I, x AS %2$I, c AS %3$I FROM rows', repeat('l', 63),
                       repeat('x', 63), repeat('ü', 31)),
                       jsonb_build_object('label', repeat('l', 63))) AS long,
       restored(format('SELECT label, x AS %I, c AS %I FROM rows', E'"\\/\b\f\n\r\t\x01\x7f', '{"a": [1]}'))
           AS escaped,
       restored('SELECT label, x AS "__metadata__", c AS "ctr.history", c AS digest, x AS "épochs" '
                'FROM rows') AS "reserved",
       restored('SELECT label AS "Label", x AS label, c AS "LABEL" FROM rows',
                '{"label": "Label"}') AS by_case,
       restored('SELECT label, x AS "mlp.mlp.0.weight", c FROM rows',
                '{"architecture": "fibinet", "ignore": ["c"]}') AS a_tensors_name,
       restored('SELECT label, x, c FROM rows', '{"numerical": ["label", "x"]}') AS label_as_feature;

-- as many columns as a table can have, in networks that can be kept and in one that cannot
SELECT restored(columns, '{"cross_type": "vector"}') AS deepcross,
       restored(columns, '{"architecture": "fibinet", "bilinear_type": "field_interaction", "d_embed": 1, '
                         '"recipe": "reference"}') AS pairs
FROM (SELECT 'SELECT label, ' || string_agg(format('CASE WHEN x > %s THEN x END AS x%s', i % 7, i), ', ')
             || ' FROM rows' AS columns
      FROM generate_series(1, 1599) i) c;

-- categories without a byte, and of 100 MB in all
SELECT restored('SELECT label, '''' AS a, nullif(c, ''c1'') AS b FROM rows') AS empty;
SELECT restored('SELECT i % 2 AS label, repeat(chr(64 + i), 1000000) AS c '
                'FROM generate_series(1, 100) i', '{"validation": 0}') AS long;

DROP TABLE rows, tried;
DROP FUNCTION restored;
