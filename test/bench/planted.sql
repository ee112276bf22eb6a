-- planted.sql: tables drawn from planted models, for what a training makes of few rows and rare clicks.
--
--   psql -v seed=1 -v rows=50000 -f test/bench/planted.sql
--
-- Makes tables planted_few, planted_many, planted_smooth, planted_mixed and planted_wide:
--   id       1 … rows, for training; -10000 … -1, for testing
--   score    the row's logit, less an intercept, plus logistic noise: the s % of the rows with the largest scores being labelled
--            1, their labels are drawn from a logistic model, and their share is exact
--   the features: few      a city of seven that matters very much, a number that does not
--                 many     users and items with effects of their own, a device
--                 smooth   numbers with smooth effects, two of five without
--                 mixed    6 numbers, 6 categories of up to 5,000 values, a pair of user and item, half of them noise, NULLs
--                 wide     15 numbers and 15 categories, most of them noise
-- and a function planted(kind, rows, share, options), which trains on so many rows and tests on 10,000 others.
-- Randomness comes from hashes of (row, column, seed): same seed, same rows.

-- uniform in (0, 1), normal and logistic, from a row's number and a column's
CREATE FUNCTION planted_uniform(i bigint, k int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hashint8extended(i, k) & 4503599627370495) + 0.5) / 4503599627370496;
CREATE FUNCTION planted_normal(i bigint, k int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN sqrt(-2 * ln(planted_uniform(i, k))) * cosd(360 * planted_uniform(i, k + 500));
CREATE FUNCTION planted_logistic(i bigint, k int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ln(planted_uniform(i, k) / (1 - planted_uniform(i, k)));

-- the row's numbers: u1 … u30 uniform, n1 … n15 normal, and the noise of its label
CREATE TEMP TABLE drawn AS
SELECT i, planted_logistic(i, k) AS noise, u, n
FROM generate_series(-10000, :rows) i, (SELECT :seed * 1000 AS k OFFSET 0) s,
     LATERAL (SELECT array_agg(planted_uniform(i, k + j) ORDER BY j) AS u FROM generate_series(1, 30) j) us,
     LATERAL (SELECT array_agg(planted_normal(i, k + 100 + j) ORDER BY j) AS n FROM generate_series(1, 15) j) ns
WHERE i <> 0;

CREATE TABLE planted_few AS
SELECT i AS id, CASE WHEN city = 0 THEN 4 ELSE 0 END + noise AS score, 'c' || city AS city, 10 * u[2] AS x
FROM drawn, LATERAL (SELECT floor(7 * u[1])::int AS city OFFSET 0) f ORDER BY i;

CREATE TABLE planted_many AS
SELECT i AS id, planted_normal(person, 7) + planted_normal(thing, 8) + CASE WHEN device = 0 THEN 0.7 ELSE 0 END + noise AS score,
       'u' || person AS person, 'i' || thing AS thing, 'd' || device AS device
FROM drawn, LATERAL (SELECT floor(400 * u[1] ^ 2)::int AS person, floor(150 * u[2] ^ 2)::int AS thing, floor(3 * u[3])::int AS device OFFSET 0) f
ORDER BY i;

CREATE TABLE planted_smooth AS
SELECT i AS id, 1.2 * n[1] + 0.8 * ln(-ln(u[1])) + 1.5 * sin(6 * u[2]) + noise AS score,
       n[1] AS x1, -ln(u[1]) AS x2, 6 * u[2] AS x3, n[2] AS x4, u[3] AS x5
FROM drawn ORDER BY i;

CREATE TABLE planted_mixed AS
SELECT i AS id, n[1] + 1.5 * sin(3 * u[1]) + CASE WHEN a = 0 THEN 1.5 ELSE 0 END + planted_normal(b, 7) + 0.8 * planted_normal(c, 8) + noise AS score,
       n[1] AS n1, CASE WHEN u[2] > 0.4 THEN u[1] END AS n2, u[2] AS n3, u[3] AS n4, -ln(u[4]) AS n5, n[2] AS n6,
       'a' || a AS a, 'b' || b AS b, CASE WHEN u[3] > 0.2 THEN 'c' || c END AS c, 'd' || floor(5 * u[8]) AS d,
       'e' || floor(50 * u[9]) AS e, 'f' || f AS f, b || '.' || f AS pair
FROM drawn, LATERAL (SELECT floor(3 * u[5])::int AS a, floor(30 * u[6] ^ 2)::int AS b, floor(300 * u[7] ^ 2)::int AS c, floor(5000 * u[10] ^ 2)::int AS f OFFSET 0) v
ORDER BY i;

SELECT string_agg(format('n[%s] AS n%1$s', j), ', ') AS numbers, string_agg(format('''c'' || floor(%s * u[%s]) AS c%2$s', 3 + 2 * j * j, j), ', ') AS categories
FROM generate_series(1, 15) j \gset
CREATE TABLE planted_wide AS
SELECT i AS id, n[1] + n[2] + CASE WHEN u[1] < 0.2 THEN 1 ELSE 0 END + planted_normal(floor(53 * u[5])::int, 7) + noise AS score, :numbers, :categories
FROM drawn ORDER BY i;
DROP TABLE drawn;

CREATE FUNCTION planted(kind text, n int, share float8, options jsonb, OUT normalized_entropy float8, OUT calibration float8, OUT auc float8, OUT seconds float8)
LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
    labelled text := format('(SELECT (rank() OVER (ORDER BY score DESC) <= %s * count(*) OVER ())::int AS label, p.* FROM planted_%I p WHERE %%s ORDER BY id)', share, kind);
    model ctr_model;
BEGIN
    EXECUTE format('SELECT ctr_train(r, $1) FROM %s r', format(labelled, format('id BETWEEN 1 AND %s', n)))
        INTO model USING options || '{"ignore": ["id", "score"]}';
    seconds := extract(epoch FROM clock_timestamp() - began);
    EXECUTE format('SELECT (e).normalized_entropy, (e).calibration, (e).auc FROM (SELECT ctr_evaluate($1, r) AS e FROM %s r OFFSET 0) t', format(labelled, 'id < 0'))
        INTO normalized_entropy, calibration, auc USING model;
END $$;
