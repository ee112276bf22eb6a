-- ctr_train(record, options, model): going on from a model
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
\i sql/try.psql
\pset null '-'

-- Shops sell at their own rates, and a click also depends on shop and device together. Shops 1 … 70 are in
-- all tables, 71 … 100 make 30 % of the rows of the later ones.
CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
CREATE FUNCTION visits(n int, seed int, new_share float8)
RETURNS TABLE (label int, shop text, device text, price float8)
LANGUAGE sql AS $$
    SELECT (uniform(i, seed) < 1 / (1 + exp(-(2.5 * sin(shop * 1.7) + likes))))::int,
           's' || shop, device, 100 * uniform(i, seed + 3)
    FROM generate_series(1, n) i,
         LATERAL (SELECT CASE WHEN uniform(i, seed + 1) < new_share THEN 71 + i % 30 ELSE 1 + i % 70 END
                         AS shop,
                         CASE WHEN uniform(i, seed + 2) < 0.5 THEN 'x' ELSE 'y' END AS device) v,
         LATERAL (SELECT CASE WHEN (shop % 2 = 0) = (device = 'x') THEN 1 ELSE -1 END AS likes) l
$$;
CREATE FUNCTION is_new(shop text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT substr(shop, 2)::int > 70 $$;

-- rows to train on first, to go on with, and to test
CREATE TABLE early AS SELECT * FROM visits(6000, 10, 0);
CREATE TABLE late AS SELECT * FROM visits(6000, 20, 0.3);
CREATE TABLE test AS SELECT * FROM visits(6000, 30, 0.3);
SELECT count(*), count(DISTINCT shop) AS shops, round(avg(is_new(shop)::int), 1) AS new FROM late;

-- a model of every network to go on from
CREATE TABLE started (name text PRIMARY KEY, options jsonb, model ctr_model);
INSERT INTO started (name, options)
SELECT cross_type || CASE WHEN stacked THEN ' stacked' ELSE ' parallel' END,
    ctr_deepcross(cross_type => cross_type, stacked => stacked, d_embed_max => 12, low_rank => 4)
FROM unnest('{matrix,vector,mix}'::text[]) cross_type, unnest('{true,false}'::bool[]) stacked;
INSERT INTO started (name, options)
SELECT bilinear_type, ctr_fibinet(bilinear_type => bilinear_type, d_embed => 4)
FROM unnest('{field_interaction,field_each,field_all}'::text[]) bilinear_type;
INSERT INTO started (name, options)
    VALUES ('deepfm', ctr_deepfm(d_embed => 4)), ('wide_deep', ctr_wide_deep(d_embed => 4)),
           ('three classes', ctr_deepcross(n_classes => 3, d_embed_max => 12));
UPDATE started SET options = options || ctr_fit(recipe => 'reference', epochs => 4, batch_size => 256,
    learning_rate => 0.01, seed => 5) || '{"mlp_layers": [16]}';
UPDATE started s SET model = (SELECT ctr_train(e, options) FROM early e);

-- With a learning rate of next to nothing the model comes back as it was, with rows for the new
-- categories. They start as the unseen row, so new shops score as before, too. Only batch statistics move,
-- by a tenth of the way in the one step.
CREATE FUNCTION still(epochs int) RETURNS jsonb LANGUAGE sql AS
$$ SELECT ctr_fit(epochs => epochs, patience => epochs, learning_rate => 1e-9, weight_decay => 0,
                  embedding_decay => 0, batch_size => 100000, min_count => 1, validation => 0) $$;
CREATE TABLE kept (name text PRIMARY KEY, model ctr_model);
INSERT INTO kept SELECT name, (SELECT ctr_train(l, still(1), model) FROM late l) FROM started;
SELECT name, (SELECT categories FROM ctr_features(s.model) f WHERE f.name = 'shop') AS shops,
       (SELECT categories FROM ctr_features(k.model) f WHERE f.name = 'shop') AS now,
       (SELECT shape FROM ctr_tensors(s.model) t
        WHERE t.name ~ 'embedding.*[01].weight$|fc.weight$' ORDER BY shape DESC, t.name LIMIT 1) AS shape,
       (SELECT shape FROM ctr_tensors(k.model) t
        WHERE t.name ~ 'embedding.*[01].weight$|fc.weight$' ORDER BY shape DESC, t.name LIMIT 1) AS now
FROM started s JOIN kept k USING (name) ORDER BY name;
SELECT name, max(abs(p[1] - q[1])) < 0.1 AS same, avg(abs(p[1] - q[1])) < 0.01 AS same_mean,
       count(*) FILTER (WHERE is_new(shop)) > 500 AS new_too
FROM started s JOIN kept k USING (name),
     LATERAL (SELECT shop, ctr_predict_classes(s.model, l) AS p, ctr_predict_classes(k.model, l) AS q
              FROM late l LIMIT 2000) x
GROUP BY name ORDER BY name;

-- after many such steps on the same rows batch statistics stand still, and so does all else
SELECT name, max(abs(ctr_predict(a.model, e) - ctr_predict(b.model, e))) < 1e-4 AS same
FROM (SELECT name, (SELECT ctr_train(e, still(150), model) FROM early e WHERE price < 10) AS model
      FROM started WHERE name <> 'three classes' OFFSET 0) a,
     LATERAL (SELECT ctr_train(e, still(1), a.model) AS model FROM early e WHERE price < 10 OFFSET 0) b,
     LATERAL (SELECT * FROM early LIMIT 300) e
GROUP BY name ORDER BY name;

-- transforms and known categories are taken over: rows are encoded as before, new categories get the next
-- codes
SELECT name, bool_and(a.x_num = b.x_num) AS numbers,
       bool_and(a.x_cat = b.x_cat) FILTER (WHERE NOT is_new(shop)) AS old_categories,
       bool_and(a.x_cat[1] = 0 AND b.x_cat[1] >= 72) FILTER (WHERE is_new(shop)) AS new_categories,
       bool_and(a.x_cat[2] = b.x_cat[2]) AS devices
FROM started s JOIN kept k USING (name), late l, LATERAL ctr_encode(s.model, l) a,
     LATERAL ctr_encode(k.model, l) b WHERE name IN ('matrix stacked', 'field_each') GROUP BY 1 ORDER BY 1;

-- known categories keep their frequencies and add the new rows'; counts of rows are those of the last
-- training
SELECT a.before + 6000 = a.now AS frequencies, (ctr_config(k.model)->'rows'->>'training')::int AS rows
FROM started s JOIN kept k USING (name),
     LATERAL (SELECT (SELECT sum(x)
                      FROM unnest(ctr_tensor(s.model, 'ctr.categorical.frequency')) x) / 2 AS before,
    (SELECT sum(x) FROM unnest(ctr_tensor(k.model, 'ctr.categorical.frequency')) x) / 2 AS now) a
    WHERE name = 'matrix stacked';

-- 30 % of rows with new categories: better on them, no worse on the others
CREATE TABLE grown (name text PRIMARY KEY, model ctr_model);
INSERT INTO grown
SELECT name, (SELECT ctr_train(l, ctr_fit(epochs => 3), model) FROM late l) FROM started
WHERE name <> 'three classes';
SELECT name, after_new > before_new + 0.05 AS new_better, after_old > before_old - 0.002 AS old_no_worse
FROM (SELECT name, ctr_auc(label, ctr_predict(s.model, t)) FILTER (WHERE is_new(shop)) AS before_new,
             ctr_auc(label, ctr_predict(g.model, t)) FILTER (WHERE is_new(shop)) AS after_new,
             ctr_auc(label, ctr_predict(s.model, t)) FILTER (WHERE NOT is_new(shop)) AS before_old,
             ctr_auc(label, ctr_predict(g.model, t)) FILTER (WHERE NOT is_new(shop)) AS after_old
      FROM started s JOIN grown g USING (name), test t GROUP BY name) a ORDER BY name;

-- … and on the same rows as before, k epochs and k more
SELECT name, loss_after < loss_before + 0.005 AS holds FROM (
    SELECT name, (ctr_evaluate(s.model, e)).loss AS loss_before, (ctr_evaluate(m.model, e)).loss AS loss_after
    FROM started s, LATERAL (SELECT ctr_train(e, ctr_fit(epochs => 4), s.model) AS model
                             FROM early e OFFSET 0) m, early e GROUP BY name) x ORDER BY name;

-- history carries on; one epoch is the best; the result is as deterministic as a fresh training
SELECT array_agg(epoch ORDER BY epoch) AS epochs, count(*) FILTER (WHERE h.is_best) AS best,
       bool_and(h.train_loss = o.train_loss) FILTER (WHERE epoch <= 4) AS old_epochs,
       min(ctr_config(g.model)->>'best_epoch')::int > 4 AS best_is_new
FROM grown g, LATERAL ctr_history(g.model) h LEFT
JOIN LATERAL (SELECT o.* FROM started s, ctr_history(s.model) o WHERE s.name = 'matrix stacked') o
USING (epoch) WHERE g.name = 'matrix stacked';
SELECT count(DISTINCT md5(ctr_state_dict(m))) AS distinct_results
FROM (SELECT (SELECT ctr_train(l, jsonb_build_object('epochs', 1, 'threads', threads), model)
              FROM late l) AS m
    FROM started, unnest('{1,2,3}'::int[]) threads WHERE name = 'mix parallel') x;
SELECT m::bytea::ctr_model::bytea = m::bytea AS bytes
FROM (SELECT model AS m FROM grown WHERE name = 'field_all') x;

-- the best epoch is the one of this training with the least validation loss, counted from the first epoch
-- of all
WITH a AS MATERIALIZED (SELECT ctr_train(e, '{"epochs": 3}') AS m FROM early e),
     b AS MATERIALIZED (SELECT ctr_train(l, '{"epochs": 4, "patience": 4}', a.m) AS m FROM late l, a)
SELECT first, count(*) AS epochs, bool_and(is_best = (epoch = (ctr_config(m)->'best_epoch')::int)) AS marked,
       bool_and(is_best = (val_loss = least)) AS least
FROM (SELECT 1 AS first, m FROM a UNION ALL SELECT 4, m FROM b) x,
     LATERAL (SELECT h.*, min(val_loss) FILTER (WHERE epoch >= first) OVER () AS least
              FROM ctr_history(m) h) y
GROUP BY first ORDER BY first;

-- twice in a row, and from a value that is not stored
SELECT count(*)
FROM (SELECT ctr_train(t, '{"epochs": 1}', g.m) AS m
      FROM test t, LATERAL (SELECT ctr_train(l, '{"epochs": 1}', model) AS m
                            FROM late l, started s WHERE name = 'vector stacked' OFFSET 0) g) x,
     ctr_history(m);

-- options that are left out are the model's; those of the training may change, all together by another recipe
SELECT ctr_config(m)->'options' @> '{"architecture": "fibinet", "d_embed": 4, "bilinear_type": "field_each", '
                                   '"mlp_layers": [16], "recipe": "reference"}' AS kept,
       ctr_config(m)->'options'->'seed' AS seed, ctr_config(m)->'options'->'epochs' AS epochs
FROM (SELECT ctr_train(l, '{"epochs": 1, "seed": 77}', model) AS m FROM late l, started
      WHERE name = 'field_each') x;
CREATE TABLE trained AS
SELECT ctr_train(e, '{"epochs": 1, "learning_rate": 0.01, "batch_size": 100, "seed": 7, "validation": 0.5, '
                    '"min_count": 9, "patience": 4, "weight_decay": 0.3, "monitor": "val_loss", '
                    '"lr_schedule": "plateau", "mlp_dropout": 0.1, "ignore": ["price"]}') AS model
FROM (SELECT * FROM early LIMIT 1000) e;
SELECT ctr_config(m)->'options' = ctr_config(model)->'options' AS all_the_models
FROM trained, LATERAL (SELECT ctr_train(l, '{}', model) AS m FROM (SELECT * FROM late LIMIT 500) l) x;
\set of_recipe '{recipe,learning_rate,batch_size,seed,validation,min_count,patience,weight_decay,monitor,lr_schedule'
\set of_recipe :of_recipe ',embedding_decay,embedding_init,epochs}'
SELECT (ctr_config(m)->'options') - :'of_recipe'::text[]
       = (ctr_config(model)->'options') - :'of_recipe'::text[] AS the_models,
       ctr_config(m)->'options' @> '{"recipe": "reference", "epochs": 1, "learning_rate": 0.002, '
                                   '"batch_size": 2048, "weight_decay": 0.001, "embedding_decay": 0.001, '
                                   '"monitor": "val_auc", "validation": 0.2}' AS the_recipes
FROM trained, LATERAL (SELECT ctr_train(l, '{"recipe": "reference", "epochs": 1}', model) AS m
                       FROM (SELECT * FROM late LIMIT 500) l) x;
DROP TABLE trained;

-- no model: a fresh training; no options
SELECT ctr_train(e, '{"epochs": 1}', NULL)::bytea IS NOT NULL AS fresh,
       md5(ctr_state_dict(ctr_train(e, '{"epochs": 1}', NULL)))
           = md5(ctr_state_dict(ctr_train(e, '{"epochs": 1}'))) AS same
           FROM (SELECT * FROM early LIMIT 500) e;
SELECT count(*) > 4 AS no_options
FROM (SELECT ctr_train(l, NULL, model) AS m FROM (SELECT * FROM late LIMIT 500) l, started
      WHERE name = 'matrix stacked') x, ctr_history(m);

-- columns by name, in another order, with more; other types that mean the same; a weight
SELECT ctr_config(m)->'columns' AS columns
FROM (SELECT ctr_train(l, '{"epochs": 1, "weight": "w"}', model) AS m
    FROM (SELECT 1 AS extra, price::numeric, device::varchar, shop, now() AS at, label = 1 AS label, 2 AS w
          FROM late LIMIT 500) l, started WHERE name = 'matrix stacked') x;

-- errors, and in 21 lists that agree with the model
SELECT q.i, e.* FROM (VALUES
 (1, 'SELECT ctr_train(l, ctr_deepcross(cross_type => ''vector''), model) FROM late l, started '
     'WHERE name = ''matrix stacked'''),
 (2, 'SELECT ctr_train(l, ctr_fibinet(), model) FROM late l, started WHERE name = ''matrix stacked'''),
 (3, 'SELECT ctr_train(l, ''{"mlp_layers": [16, 16]}'', model) FROM late l, started '
     'WHERE name = ''matrix stacked'''),
 (4, 'SELECT ctr_train(l, ''{"n_classes": 3}'', model) FROM late l, started WHERE name = ''matrix stacked'''),
 (5, 'SELECT ctr_train(l, ''{"d_embed_max": 4}'', model) FROM late l, started '
     'WHERE name = ''matrix stacked'''),
 (6, 'SELECT ctr_train(l, ''{"numerical_transform": "log"}'', model) FROM late l, started '
     'WHERE name = ''matrix stacked'''),
 (7, 'SELECT ctr_train(l, ''{"d_embed": 8}'', model) FROM late l, started WHERE name = ''field_each'''),
 (8, 'SELECT ctr_train(l, ''{}'', model) FROM (SELECT label, shop, price FROM late) l, started '
     'WHERE name = ''matrix stacked'''),
 (9, 'SELECT ctr_train(l, ''{}'', model) FROM (SELECT shop, device, price FROM late) l, started '
     'WHERE name = ''matrix stacked'''),
 (10, 'SELECT ctr_train(l, ''{}'', model) FROM (SELECT label, shop, device, shop AS price '
      'FROM late) l, started WHERE name = ''matrix stacked'''),
 (11, 'SELECT ctr_train(l, ''{"label": "device"}'', model) FROM late l, started '
      'WHERE name = ''matrix stacked'''),
 (12, 'SELECT ctr_train(l, ''{}'', model) FROM late l, started'),
 (13, 'SELECT ctr_train(l, ''{}'', CASE WHEN price < 50 THEN model END) FROM late l, started '
      'WHERE name = ''matrix stacked'''),
 (14, 'SELECT ctr_train(l, ''{"epochs": -1}'', model) FROM late l, started WHERE name = ''matrix stacked'''),
 (15, 'SELECT ctr_train(l, ''{}'', model) FROM late l, started WHERE name = ''none'''),
 (16, 'SELECT ctr_train(l, ''{"categorical": ["nosuch"]}'', model) FROM late l, started '
      'WHERE name = ''matrix stacked'''),
 (17, 'SELECT ctr_train(l, ''{"ignore": ["shop"]}'', model) FROM late l, started '
      'WHERE name = ''matrix stacked'''),
 (18, 'SELECT ctr_train(l, ''{"numerical": ["device"]}'', model) FROM late l, started '
      'WHERE name = ''matrix stacked'''),
 (19, 'SELECT ctr_train(l, ''{"categorical": ["price"]}'', model) FROM late l, started '
      'WHERE name = ''matrix stacked'''),
 (20, 'SELECT ctr_train(l, ''{"numerical": ["more"]}'', model) FROM (SELECT *, 1 AS more '
      'FROM late) l, started WHERE name = ''matrix stacked'''),
 (21, 'SELECT ctr_train(l, ''{"epochs": 1, "ignore": ["more"], "numerical": ["price"], "categorical": '
      '["shop"]}'', model) FROM (SELECT *, 1 AS more FROM late LIMIT 500) l, started '
      'WHERE name = ''matrix stacked'''),
 (22, 'SELECT ctr_train(l, ''[]'', model) FROM late l, started WHERE name = ''matrix stacked''')
) q(i, query), try(query) e ORDER BY 1;

DROP TABLE early, late, test, started, kept, grown;
DROP FUNCTION visits, uniform, is_new, still;
