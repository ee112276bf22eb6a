-- a table in four parts, trained in rounds by hand, beside the same table in one piece
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA rounds;
SET search_path = rounds, public;

CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
-- what tells most is a pair: of visitor's kind a and shop b; ads are many and rare
CREATE TABLE rows AS
SELECT i AS id, abs(hashint8extended(i, 21)) % 4 AS part, 'a' || a AS a, 'b' || b AS b, 'ad' || ad AS ad, x,
       (uniform(i, 3) < 1 / (1 + exp(1.2 - 2.2 * ((a + b) % 3 = 0)::int - x - (ad % 7) / 4.0)))::int AS label
FROM (SELECT i, floor(8 * uniform(i, 7))::int AS a, floor(9 * uniform(i, 8))::int AS b, floor(300 * uniform(i, 9) ^ 2)::int AS ad, 2 * uniform(i, 4) - 1 AS x
      FROM generate_series(1, 9000) i) s;
CREATE VIEW train AS SELECT * FROM rows WHERE id <= 6000;
CREATE VIEW test AS SELECT * FROM rows WHERE id > 6000;
CREATE TABLE run (model ctr_model, velocity ctr_model);
CREATE TABLE options AS SELECT ctr_fit(ignore => '{id,part}', batch_size => 256) || ctr_deepcross(mlp_layers => '{32,16}') AS fit;

-- passes until nothing is left to prepare, then rounds at rates of one cosine; held-back rows train in the last ones
CREATE PROCEDURE train_rounds(rounds int, momentum float8) LANGUAGE plpgsql AS $$
DECLARE
    settings jsonb;
BEGIN
    DELETE FROM run;
    INSERT INTO run SELECT ctr_merge(p) FROM (SELECT ctr_prepare(t, fit) AS p FROM train t, options GROUP BY part) s;
    WHILE (SELECT ctr_config(model)->>'weights' = 'prepared' FROM run) LOOP
        UPDATE run SET model = (SELECT ctr_merge(p) FROM (SELECT ctr_prepare(t, NULL, r.model) AS p FROM train t, run r GROUP BY part) s);
    END LOOP;
    FOR n IN 1 .. rounds LOOP
        settings := fit || ctr_fit(epochs => 1, lr_schedule => 'constant', batch_size => 100, validation => CASE WHEN n > rounds / 3 THEN 0 END,
                                   learning_rate => 0.002 * (1 + cos(pi() * (n - 0.5) / rounds)) / 2) FROM options;
        UPDATE run SET model = s.model, velocity = s.velocity
        FROM (SELECT ctr_merge(p) AS merged FROM (SELECT ctr_train(t, settings, r.model) AS p FROM train t, run r GROUP BY part) a) m, run r,
             ctr_step(r.model, merged, r.velocity, momentum) s;
    END LOOP;
END $$;
CREATE TABLE results (name text, auc float8, loss float8);
INSERT INTO results SELECT 'one piece', e.auc, e.loss
FROM (SELECT ctr_train(t, fit) AS model FROM train t, options) m, LATERAL (SELECT (ctr_evaluate(model, t)).* FROM test t) e;
CALL train_rounds(10, 0);
INSERT INTO results SELECT 'four parts', e.auc, e.loss FROM run, LATERAL (SELECT (ctr_evaluate(model, t)).* FROM test t) e;
CALL train_rounds(10, 0.3);
INSERT INTO results SELECT 'four parts, momentum', e.auc, e.loss FROM run, LATERAL (SELECT (ctr_evaluate(model, t)).* FROM test t) e;
-- a part alone
INSERT INTO results SELECT 'one part', e.auc, e.loss
FROM (SELECT ctr_train(t, fit) AS model FROM train t, options WHERE part = 0) m, LATERAL (SELECT (ctr_evaluate(model, t)).* FROM test t) e;
SELECT r.name, r.auc > whole.auc - 0.01 AS ranks_as_well, r.loss < whole.loss + 0.01 AS is_as_sure
FROM results r, results whole WHERE whole.name = 'one piece' ORDER BY r.name;
SELECT ctr_config(model)->'rows' AS rows, ctr_config(model)->'inputs'->'crosses' AS crosses, count(val_loss) AS measured
FROM run, ctr_history(model) GROUP BY 1, 2;

DROP SCHEMA rounds CASCADE;
