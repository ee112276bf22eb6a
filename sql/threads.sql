-- How many threads there may be: no more than cores, unless a superuser says so.
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
SELECT threads AS cores FROM ctr_build_info() \gset

-- a role gets what it asks for up to the cores, by the setting
CREATE ROLE ctr_threads_user;
SET ROLE ctr_threads_user;
SET ctr.threads = 1;
SELECT threads FROM ctr_build_info();
SET ctr.threads = 500;
SELECT threads = :cores AS the_cores FROM ctr_build_info();
SET ctr.max_threads = 500;
RESET ROLE;
DROP ROLE ctr_threads_user;

-- and by the training's option; the rows see how many threads their process has
CREATE VIEW rows_with_threads AS
SELECT i % 2 AS label, i AS x,
       (SELECT count(*) FROM pg_ls_dir('/proc/' || pg_backend_pid() || CASE WHEN i > 0 THEN '/task' END))
           AS threads
FROM generate_series(1, 200) i;
PREPARE most_threads AS
SELECT ctr_train(c, ctr_fit(threads => 500, epochs => 1, ignore => '{threads}')) IS NOT NULL AS trained,
       max(c.threads) AS most
FROM rows_with_threads c;
CREATE TEMP TABLE seen AS EXECUTE most_threads;
SELECT trained, most = :cores AS the_cores FROM seen;

-- a superuser may allow more, or fewer
SET ctr.max_threads = 20;
SELECT threads FROM ctr_build_info();
DROP TABLE seen;
CREATE TEMP TABLE seen AS EXECUTE most_threads;
SELECT trained, most FROM seen;
SET ctr.max_threads = 1;
SELECT threads FROM ctr_build_info();

-- none is left after the query
SELECT count(*) AS threads FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task');

DROP VIEW rows_with_threads;
