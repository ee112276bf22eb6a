-- What an installed package must do: for an ordinary user, make the extension, train, measure and score. Ends with a line "works: …".
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION ctr;

-- Clicks whose probability goes from 0.1 to 0.82 with the category.
CREATE TABLE clicks AS
SELECT i AS id, 'c' || i % 10 AS category, i * 7919 % 1000 AS number, (hashint4(i) & 1023) / 1024.0 < 0.1 + 0.08 * (i % 10) AS label
FROM generate_series(1, 5000) i;
CREATE TABLE models AS SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 3)) AS model FROM clicks c WHERE id <= 4000;

DO $$
DECLARE
    best double precision := (SELECT ctr_auc(label, substr(category, 2)::float8) FROM clicks WHERE id > 4000);
    auc double precision := (SELECT (ctr_evaluate(model, c)).auc FROM clicks c, models WHERE id > 4000);
BEGIN
    ASSERT auc > best - 0.05, format('AUC %s, but the best possible is %s', auc, best);
    ASSERT (SELECT bool_and(ctr_predict(model, c) BETWEEN 0 AND 1) FROM clicks c, models), 'probabilities';
END $$;

SELECT format('works: ctr %s on PostgreSQL %s, as %s: %s rows scored', (ctr_build_info()).version, current_setting('server_version'),
    session_user, (SELECT count(ctr_predict(model, c)) FROM clicks c, models));
DROP TABLE clicks, models;
DROP EXTENSION ctr;
