-- ctr_train_distributed: the parts of a table train in rounds, one after the other, and give one model
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA distributed;
SET search_path = distributed, public;

CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
CREATE TABLE rows AS
SELECT i AS id, exp(4 * x) AS amount, 's' || a AS shop, 'c' || c AS city, (uniform(i, 3) < 1 / (1 + exp(2.2 - 0.4 * a - x - (c % 5) / 2.0)))::int AS label
FROM (SELECT i, uniform(i, 4) AS x, floor(9 * uniform(i, 5)) AS a, floor(300 * uniform(i, 6) ^ 3)::int AS c FROM generate_series(1, 4000) i) s;
-- one partition has its columns in another order, and one is partitioned again
CREATE TABLE clicks (LIKE rows) PARTITION BY HASH (id);
CREATE TABLE clicks_0 PARTITION OF clicks FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE clicks_1 (label int, city text, shop text, dropped int, amount float8, id int);
ALTER TABLE clicks_1 DROP dropped;
ALTER TABLE clicks ATTACH PARTITION clicks_1 FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE clicks_2 PARTITION OF clicks FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE clicks_3 PARTITION OF clicks FOR VALUES WITH (MODULUS 4, REMAINDER 3) PARTITION BY RANGE (amount);
CREATE TABLE "Clicks 3" PARTITION OF clicks_3 DEFAULT;
INSERT INTO clicks SELECT * FROM rows;
CREATE FUNCTION fit() RETURNS jsonb LANGUAGE sql AS $$ SELECT ctr_fit(ignore => '{id}') || ctr_deepcross(mlp_layers => '{16}') $$;

SELECT part, rows FROM ctr_parts('clicks', 'auto');
SELECT part, rows FROM ctr_parts('rows', 'local');

-- without checkpoints the model is the result
CREATE TABLE results (name text, model ctr_model);
CREATE PROCEDURE train(run text, options jsonb, n_rounds int, source regclass DEFAULT 'clicks', n_patience int DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE
    trained ctr_model;
BEGIN
    CALL ctr_train_distributed(source, options, trained, rounds => n_rounds, patience => n_patience, momentum => 0.5);
    INSERT INTO results VALUES (run, trained);
END $$;
CALL train('plain', fit(), 4);
SELECT ctr_config(model)->'rows' AS rows, ctr_config(model)->'epochs' AS epochs FROM results WHERE name = 'plain';
SELECT epoch, round((learning_rate / first_value(learning_rate) OVER (ORDER BY epoch))::numeric, 3) AS cosine FROM results, ctr_history(model) WHERE name = 'plain' ORDER BY 1;
-- nearly as good as on one machine
SELECT (a.e).auc - (b.e).auc BETWEEN -0.02 AND 0.05 AS as_good, (b.e).auc > 0.7 AS good
FROM (SELECT ctr_evaluate((SELECT ctr_train(c, fit()) FROM rows c), c) AS e FROM rows c) a,
     (SELECT ctr_evaluate(model, c) AS e FROM results, rows c WHERE name = 'plain') b;

-- with them it is in their table, and so is each round; a call goes on where another was stopped, and gives the same bytes
CREATE TABLE run OF ctr_round;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no round %', NEW.round; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON run FOR EACH ROW WHEN (NEW.round = 3) EXECUTE FUNCTION refuse();
CALL ctr_train_distributed('clicks', fit(), rounds => 4, momentum => 0.5, checkpoint => 'run');
SELECT round FROM run ORDER BY 1;
DROP TRIGGER refuse ON run;
CALL ctr_train_distributed('clicks', fit(), rounds => 4, momentum => 0.5, checkpoint => 'run');
SELECT round, parts, rows, train_loss > 0 AS train_loss, val_loss > 0 AS val_loss, val_auc > 0.5 AS val_auc, seconds > 0 AS seconds, bytes, ended < now() AS ended,
       velocity IS NULL AS no_velocity, model = (SELECT model FROM results WHERE name = 'plain') AS same FROM run ORDER BY 1;
-- all is done
CALL ctr_train_distributed('clicks', fit(), rounds => 4, momentum => 0.5, checkpoint => 'run');
SELECT count(*) FROM run;
-- evaluation says nothing besides
SET client_min_messages = notice;
SELECT e.rows FROM run, ctr_evaluate_distributed('clicks', model) e WHERE round = 4;
SET client_min_messages = error;
-- a start that is given is not prepared again; and a model goes on, for which no row is held back that has trained
DO $$
DECLARE
    trained ctr_model := (SELECT model FROM run WHERE round = 0);
BEGIN
    CALL ctr_train_distributed('clicks', fit(), trained, 4, momentum => 0.5);
    INSERT INTO results VALUES ('from the start', trained);
    CALL ctr_train_distributed('clicks', '{"validation": 0.2}', trained, 2);
    INSERT INTO results VALUES ('further', trained);
END $$;
SELECT name, model = (SELECT model FROM results WHERE name = 'plain') AS same, ctr_config(model)->'epochs' AS epochs FROM results WHERE name <> 'plain';

-- without momentum the model of a round is the average of its parts
CREATE TABLE average OF ctr_round;
CALL ctr_train_distributed('clicks', fit(), rounds => 2, checkpoint => 'average');
SELECT round, velocity IS NULL AS no_velocity, model = (SELECT model FROM run r WHERE r.round = a.round) AS same_as_with_momentum FROM average a ORDER BY 1;
-- patience counts the rounds that measured, and says where there are none any more
SET client_min_messages = warning;
CALL ctr_train_distributed('clicks', fit(), rounds => 4, patience => 1, checkpoint => 'average');
SET client_min_messages = error;
SELECT round, rows, val_auc IS NOT NULL AS measured FROM average ORDER BY 1;

-- one part is trained as by ctr_train: the same tensors, but for what only parts have
CALL train('one part', fit(), 4, 'rows');
SELECT array_agg(name) FROM (SELECT ctr_train(c, fit()) AS model FROM rows c) a, (SELECT model FROM results WHERE name = 'one part') b,
    LATERAL (SELECT name FROM ctr_tensors(a.model) x FULL JOIN ctr_tensors(b.model) y USING (name)
             WHERE x.name IS NULL OR y.name IS NULL OR x.shape <> y.shape OR ctr_tensor(a.model, name)::text <> ctr_tensor(b.model, name)::text) d;

-- patience counts rounds: labels that are noise stop soon
CREATE TABLE noise (LIKE rows) PARTITION BY HASH (id);
CREATE TABLE noise_0 PARTITION OF noise FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE noise_1 PARTITION OF noise FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO noise SELECT id, amount, shop, city, (uniform(id, 9) < 0.5)::int FROM rows;
CREATE TABLE noise_run OF ctr_round;
CALL ctr_train_distributed('noise', fit(), rounds => 30, patience => 2, momentum => 0.5, checkpoint => 'noise_run');
SELECT max(round) < 30 AS stopped, max(round) - (SELECT round FROM noise_run ORDER BY val_auc DESC NULLS LAST, round LIMIT 1) AS rounds_later FROM noise_run;
CALL ctr_train_distributed('noise', fit(), rounds => 30, patience => 2, momentum => 0.5, checkpoint => 'noise_run');
CALL train('best', fit(), 30, 'noise', 2);
SELECT model = (SELECT model FROM noise_run ORDER BY val_auc DESC NULLS LAST, round LIMIT 1) AS best FROM results WHERE name = 'best';

-- a part without rows is left out; a part that fails is named; nothing is left behind
CREATE TABLE gaps (LIKE rows) PARTITION BY LIST (shop);
CREATE TABLE gaps_1 PARTITION OF gaps FOR VALUES IN ('s1', 's2', 's3', 's4');
CREATE TABLE gaps_2 PARTITION OF gaps DEFAULT;
CREATE TABLE gaps_empty PARTITION OF gaps FOR VALUES IN ('none');
INSERT INTO gaps SELECT * FROM rows;
CALL train('gaps', fit(), 1, 'gaps');
SELECT ctr_config(model)->'rows'->'training' AS rows FROM results WHERE name = 'gaps';
ALTER TABLE gaps RENAME amount TO c; -- which names the row in our statements, too
CALL train('a column c', fit(), 1, 'gaps');
SELECT count(*) FILTER (WHERE f.name = 'c') FROM results, LATERAL ctr_features(model) f WHERE results.name = 'a column c';
UPDATE gaps SET label = 7 WHERE id = (SELECT min(id) FROM gaps_2);
CALL train('wrong', fit(), 1, 'gaps');
SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema();

-- what cannot be
TRUNCATE gaps;
SET client_min_messages = warning;
CALL ctr_train_distributed('gaps', fit());
BEGIN;
CALL ctr_train_distributed('clicks', fit());
ROLLBACK;
CALL ctr_train_distributed('clicks', rounds => 0);
CALL ctr_train_distributed(NULL);
CALL ctr_train_distributed('clicks', engine => 'steam');
CALL ctr_train_distributed('clicks', '{"epochs": "many"}');
CALL ctr_train_distributed('clicks', fit(), checkpoint => 'rows');
CALL ctr_train_distributed('clicks', fit(), momentum => 1);
RESET client_min_messages;
SET client_min_messages = error;

DROP SCHEMA distributed CASCADE;
