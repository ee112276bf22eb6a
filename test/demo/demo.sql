-- demo.sql: train, evaluate and score, on the rows of the table criteo up to and after :last_training_row.
\set VERBOSITY terse
\pset footer off

CREATE EXTENSION ctr;
CREATE TABLE models (name text PRIMARY KEY, model ctr_model);

\echo
\echo 'INSERT INTO models'
\echo 'SELECT ''dcn'', ctr_train(c, ctr_deepcross() || ctr_fit(ignore => ''{id}''))'
\echo 'FROM criteo c WHERE id <=' :last_training_row
INSERT INTO models
SELECT 'dcn', ctr_train(c, ctr_deepcross() || ctr_fit(ignore => '{id}'))
FROM criteo c WHERE id <= :last_training_row;

\echo
\echo 'SELECT (ctr_evaluate(model, c)).* FROM criteo c, models WHERE id >' :last_training_row
SELECT e.rows, round(e.loss::numeric, 4) AS loss, round(e.auc::numeric, 4) AS auc,
       round(e.accuracy::numeric, 4) AS accuracy, round(e.normalized_entropy::numeric, 4) AS normalized_entropy,
       round(e.calibration::numeric, 4) AS calibration
FROM (SELECT (ctr_evaluate(model, c)).* FROM criteo c, models WHERE id > :last_training_row) e;

\echo 'SELECT id, label, ctr_predict(model, c) AS p FROM criteo c, models WHERE id >' :last_training_row 'ORDER BY p DESC LIMIT 5'
SELECT id, label, round(ctr_predict(model, c)::numeric, 4) AS p
FROM criteo c, models WHERE id > :last_training_row ORDER BY ctr_predict(model, c) DESC LIMIT 5;
