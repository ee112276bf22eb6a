-- ctr_train over rows that no model can be trained on: no rows give NULL, others an error or, by
-- if_untrainable, NULL
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ctr;
\pset null '-'
CREATE TABLE visits AS
SELECT i AS id, (i % 7 < 3)::int AS label, i % 7 AS x, 'c' || i % 5 AS city FROM generate_series(1, 400) i;

SELECT ctr_train(v) IS NULL AS none FROM visits v WHERE false;
SELECT ctr_train(v, '{"epochs": 1}') IS NULL AS none FROM visits v WHERE id < 0;
SELECT ctr_train(CASE WHEN false THEN v END) IS NULL AS none FROM visits v;
SELECT count(*) AS groups FROM (SELECT ctr_train(v) FROM visits v WHERE false GROUP BY city) g;

-- a group of which no row is left is named
SELECT ctr_train(v, '{"epochs": 1}') FILTER (WHERE id < 0) IS NULL AS none FROM visits v WHERE city > 'c3' GROUP BY city;

-- one class among training rows: says so, and that the rows held back have the other
\set one_positive '(SELECT (i = 5)::int AS label, i % 97 AS price, i > 200 OR i = 5 AS late FROM generate_series(1, 1000) i)'
SELECT ctr_train(c, ctr_fit(validation_column => 'late')) FROM :one_positive c;
SELECT ctr_train(c, ctr_fit(validation_column => 'late', ignore => '{price}') || '{"ignore": []}')
FROM (SELECT (i <= 2)::int AS label, i % 97 AS price, i <= 3 AS late FROM generate_series(1, 10) i) c;
SELECT ctr_train(c, ctr_fit(validation => 0))
FROM (SELECT 0 AS label, i % 97 AS price FROM generate_series(1, 10) i) c;
SELECT ctr_train(c, ctr_fit(if_untrainable => 'null', validation_column => 'late')) IS NULL AS none
FROM :one_positive c;

-- every kind of untrainable rows
SELECT ctr_train(c, ctr_fit(if_untrainable => 'null')) IS NULL AS none
FROM (SELECT NULL::int AS label, i AS x FROM generate_series(1, 50) i) c;
SELECT ctr_train(c, ctr_fit(if_untrainable => 'null')) IS NULL AS none
FROM (SELECT 1 AS label, i AS x FROM generate_series(1, 50) i) c;
SELECT ctr_train(c, ctr_deepcross(n_classes => 3) || ctr_fit(if_untrainable => 'null')) IS NULL AS none
FROM (SELECT 2 AS label, i AS x FROM generate_series(1, 50) i) c;
SELECT ctr_train(c, ctr_fit(if_untrainable => 'null', validation_column => 'held_back')) IS NULL AS none
FROM (SELECT i % 2 AS label, i AS x, true AS held_back FROM generate_series(1, 50) i) c;
SELECT ctr_train(c, ctr_fit(if_untrainable => 'null', validation => 0, epochs => 2,
                            learning_rate => 10) || ctr_deepcross(n_cross => 16)) IS NULL AS none
FROM (SELECT i % 2 AS label, i % 97 AS x, (i % 7)::text AS a, (i % 89)::text AS d
      FROM generate_series(1, 400) i) c;

-- errors of options and columns stay errors
SELECT ctr_train(v, ctr_fit(if_untrainable => 'null', ignore => '{cyti}')) FROM visits v;
SELECT ctr_train(v, ctr_fit(if_untrainable => 'null', label => 'city')) FROM visits v;
SELECT ctr_fit(if_untrainable => 'nul');

SET enable_hashagg = off;

-- of many groups the others are trained, and the message names the one that is not by the columns of the
-- grouping
CREATE FUNCTION quick() RETURNS jsonb LANGUAGE sql
AS $$ SELECT ctr_fit(epochs => 1, ignore => '{id,country,day}', if_untrainable => 'null') $$;
CREATE TABLE sales AS
SELECT i AS id, CASE WHEN i % 3 = 1 THEN 0 ELSE (i % 7 < 3)::int END AS label, i % 7 AS x,
       (ARRAY['AT', 'BE', 'CH'])[1 + i % 3] AS country, i % 2 + 1 AS day FROM generate_series(1, 600) i;
SELECT country, ctr_train(s, quick()) IS NULL AS none FROM sales s GROUP BY country ORDER BY country;
SELECT ctr_train(s, quick()) IS NULL AS none FROM sales s WHERE id % 3 = 1 GROUP BY day, country ORDER BY day;
SELECT day AS weekday, ctr_train(s, quick()) IS NULL AS none FROM sales s WHERE id % 3 = 1
GROUP BY GROUPING SETS ((day), ()) ORDER BY day;
SELECT upper(country) AS land, ctr_train(s) FROM sales s GROUP BY 1 HAVING min(country) = 'BE';

-- a hash table of groups that is read again says it once
RESET enable_hashagg;
SET enable_sort = off;
SELECT (SELECT none FROM (SELECT country, ctr_train(s, quick()) IS NULL AS none FROM sales s WHERE id % 3 = 1
                          GROUP BY country OFFSET 0) g WHERE g.country = o.country) AS again
FROM (VALUES ('AT'), ('BE'), ('BE')) o (country);
RESET enable_sort;

-- labels that nothing tells apart: a warning with numbers, in a query of groups by the group's name
CREATE TABLE coins AS
SELECT i AS id, i * 7919 % 10007 % 2 AS label, i * 31 % 97 AS x, i > 100 AS late, 'c' || i % 2 AS city
FROM generate_series(1, 200) i;
\set VERBOSITY terse
SELECT ctr_train(c, ctr_fit(recipe => 'reference', epochs => 2, validation_column => 'late',
                            ignore => '{id}')) IS NULL AS none FROM coins c;
SELECT city, ctr_train(c, ctr_fit(recipe => 'reference', epochs => 2, validation_column => 'late',
                                  ignore => '{id}')) IS NULL AS none FROM coins c WHERE id % 2 = 0
                                  GROUP BY city;

-- … and where they can be told apart, or nothing is held back, there is none
SELECT ctr_train(v, ctr_fit(validation => 0, ignore => '{id}')) IS NULL AS none FROM visits v;
SELECT ctr_train(v, ctr_fit(learning_rate => 0.02, ignore => '{id}')) IS NULL AS none FROM visits v;

-- going on from a model: what contradicts it is what was set
\set VERBOSITY terse
CREATE TABLE trained AS SELECT ctr_train(v, ctr_fit(epochs => 1, ignore => '{id}')) AS model FROM visits v;
SELECT ctr_train(v, '{"n_classes": 3}', model) FROM visits v, trained;
SELECT ctr_train(v, '{"n_classes": 3, "target_statistics": false}', model) FROM visits v, trained;
SELECT ctr_train(v, '{"target_statistics": false}', model) FROM visits v, trained;
SELECT ctr_train(v, '{"n_classes": 3, "target_statistics": true}') FROM visits v;
DROP TABLE visits, sales, coins, trained;
DROP FUNCTION quick;
