-- generate.sql: a table shaped as Criteo's click log, drawn from a planted model.
--
--   psql -v rows=200000 -v seed=1 -f test/demo/generate.sql
--
-- Makes  criteo (id, label, i1 … i13, c14 … c39)   13 numbers with heavy tails, 26 categories with Zipf frequencies
--        criteo_truth (id, p)                       the probability that each label was drawn with
--
-- Nobody can rank rows better than p does, so ctr_auc(label, p) on some rows is the best possible AUC on them.
-- The logit of p is a sum of effects of single features and of products of two features' signals (the crosses,
-- which no linear model reaches). Every effect is a function of values that the table shows; columns of many
-- categories are noise. Randomness comes from hashes of (row, column, seed): same arguments, same rows.

\if :{?rows}
\else
    \set rows 200000
\endif
\if :{?seed}
\else
    \set seed 1
\endif

BEGIN;

-- uniform in (0, 1) from a row's number and a column's
CREATE FUNCTION pg_temp.uniform(i bigint, k int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hashint8extended(i, k) & 4503599627370495) + 0.5) / 4503599627370496;

-- a number's signal in (-1, 1): about even in rank, 0 at the median
CREATE FUNCTION pg_temp.signal(x int, median float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (x - median) / (x + median + 2);

-- numbers: median, exponent of the tail, share missing; effect of the signal itself
CREATE TEMP TABLE number_column (k int, median float8, tail float8, missing float8, effect float8) ON COMMIT DROP;
INSERT INTO number_column VALUES
    (1, 2, 0.9, 0.45, 0), (2, 6, 1.5, 0, 0.5), (3, 8, 0.9, 0.21, 0), (4, 5, 0.7, 0.21, 0), (5, 2500, 1.1, 0.03, -0.5),
    (6, 40, 1.1, 0.22, 0), (7, 4, 1.1, 0.04, 0.6), (8, 8, 0.7, 0, 0), (9, 40, 0.9, 0.04, 0), (10, 1, 0.4, 0.45, 0),
    (11, 3, 0.7, 0.04, 0.6), (12, 1, 0.7, 0.77, 0), (13, 5, 0.7, 0.21, 0);

-- categories: how many, Zipf exponent of their frequencies, share missing; effect of the category's own signal
CREATE TEMP TABLE category_column (k int, n int, zipf float8, missing float8, effect float8) ON COMMIT DROP;
INSERT INTO category_column VALUES
    (14, 40, 0.9, 0, 0.5), (15, 20, 0.9, 0, 0), (16, 50000, 0.2, 0.04, 0), (17, 45000, 0.1, 0.44, 0),
    (18, 30, 0.9, 0, 0.6), (19, 8, 0.7, 0.13, 0.6), (20, 12, 0.9, 0, 0), (21, 26, 0.9, 0, 0.5), (22, 3, 0.5, 0, 0.4),
    (23, 2500, 1.2, 0.76, 0), (24, 10, 0.9, 0, 0), (25, 45000, 0.2, 0.04, 0), (26, 18, 0.9, 0, 0),
    (27, 12, 0.7, 0, 0.6), (28, 100, 1.1, 0, 0), (29, 35000, 0.2, 0.44, 0), (30, 6, 0.5, 0, 0.6),
    (31, 20, 0.9, 0, 0), (32, 300, 1.1, 0.76, 0), (33, 4, 0.5, 0.44, 0), (34, 18, 0.9, 0.04, 0),
    (35, 12, 0.9, 0.76, 0.3), (36, 10, 0.7, 0, 0.6), (37, 8, 0.9, 0, 0), (38, 50, 0.9, 0.44, 0),
    (39, 9000, 0.2, 0.76, 0);

-- crosses: the product of two columns' signals, both of which have an effect of their own too
CREATE TEMP TABLE cross_term (a int, b int, effect float8) ON COMMIT DROP;
INSERT INTO cross_term VALUES (19, 30, 2.2), (36, 22, 1.8), (19, 7, 1.6), (36, 11, 1.6);

CREATE TABLE criteo_truth (id bigint PRIMARY KEY, p float8 NOT NULL);

-- Two queries' texts are put together from the lists above: the values of a row, and the logit from its signals.
SELECT string_agg(format('%s int', 'i' || k), ', ' ORDER BY k) AS number_definitions FROM number_column \gset
SELECT string_agg(format('c%s text', k), ', ' ORDER BY k) AS category_definitions FROM category_column \gset
CREATE TABLE criteo (id bigint PRIMARY KEY, label smallint NOT NULL, :number_definitions, :category_definitions);

-- log-logistic numbers
SELECT string_agg(format($$CASE WHEN pg_temp.uniform(h, %2$s) >= %3$s THEN
           least(floor(%4$s * (pg_temp.uniform(h, %1$s) / (1 - pg_temp.uniform(h, %1$s))) ^ %5$s), 1e7)::int END AS i%1$s$$,
           k, k + 100, missing, median, tail), ', ' ORDER BY k) AS numbers FROM number_column \gset
-- ranks 1 … n, rank r with a frequency like r ^ -zipf
SELECT string_agg(format($$CASE WHEN pg_temp.uniform(h, %2$s) >= %3$s THEN
           least(floor((1 + (%4$s - 1) * pg_temp.uniform(h, %1$s)) ^ %5$s), %6$s)::int END AS r%1$s$$,
           k, k + 100, missing, (n + 1) ^ (1 - zipf), 1 / (1 - zipf), n), ', ' ORDER BY k) AS ranks
FROM category_column \gset
SELECT string_agg(format('coalesce(pg_temp.signal(i%s, %s), 0) AS s%1$s', k, median), ', ' ORDER BY k) AS number_signals
FROM number_column WHERE effect <> 0 \gset
SELECT string_agg(format('2 * pg_temp.uniform(coalesce(r%s, 0), %s) - 1 AS s%1$s', k, 1000 + k), ', ' ORDER BY k)
    AS category_signals FROM category_column WHERE effect <> 0 \gset
-- a category's name: eight hexadecimal digits, another for every rank
SELECT string_agg('i' || k, ', ' ORDER BY k) AS number_names FROM number_column \gset
SELECT string_agg(format($$lpad(to_hex((r%s * 2654435761 + %1$s * 40503) & 4294967295), 8, '0') AS c%1$s$$, k), ', '
           ORDER BY k) AS category_values, string_agg('c' || k, ', ' ORDER BY k) AS category_names
FROM category_column \gset
SELECT string_agg(format('%s * s%s', effect, k), ' + ') AS singles
FROM (SELECT k, effect FROM number_column UNION ALL SELECT k, effect FROM category_column) c WHERE effect <> 0 \gset
SELECT string_agg(format('%s * s%s * s%s', effect, a, b), ' + ') AS crosses FROM cross_term \gset

-- OFFSET 0 keeps the planner from writing out a column's expression wherever it is used.
WITH planted AS MATERIALIZED (
    SELECT id, (pg_temp.uniform(h, 0) < p)::int AS label, :number_names, :category_values, p
    FROM (SELECT *, 1 / (1 + exp(-(-1.5 + :singles + :crosses))) AS p
          FROM (SELECT *, :number_signals, :category_signals
                FROM (SELECT id, h, :numbers, :ranks
                      FROM (SELECT id, hashint8extended(id, :seed) AS h
                            FROM generate_series(1, :rows::bigint) id OFFSET 0) hashed
                      OFFSET 0) valued
                OFFSET 0) signalled
          OFFSET 0) decided
), truth AS (
    INSERT INTO criteo_truth SELECT id, p FROM planted
)
INSERT INTO criteo
SELECT id, label, :number_names, :category_names FROM planted;

COMMIT;
ANALYZE criteo, criteo_truth;
