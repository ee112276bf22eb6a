
-- ------------------------------------------------------------------ many machines

/*
 * Trainings over the parts of a table, in PL/pgSQL: what a part computes is in C (ctr_prepare, ctr_train, ctr_evaluate_part), here
 * is only who does what when. Nothing of the caller's search path is used: functions have one of their own; the procedure, which
 * commits and therefore cannot have one, sets it anew in every transaction before it evaluates anything. What is ours is called
 * by the schema that the type ctr_model is in, with arguments of exactly the declared types.
 */

CREATE TYPE ctr_round AS (
    round integer, model ctr_model, velocity ctr_model, parts integer, rows bigint, train_loss double precision,
    val_loss double precision, val_auc double precision, seconds double precision, bytes bigint, ended pg_catalog.timestamptz);
COMMENT ON TYPE ctr_round IS 'a round of ctr_train_distributed; CREATE TABLE name OF ctr_round makes a table for its checkpoints';
COMMENT ON COLUMN ctr_round.round IS 'number, from 1; 0: the start, from which the first round goes on';
COMMENT ON COLUMN ctr_round.model IS 'the model after the round';
COMMENT ON COLUMN ctr_round.velocity IS 'what the next round needs besides the model; NULL once it has ended';
COMMENT ON COLUMN ctr_round.parts IS 'parts of the table';
COMMENT ON COLUMN ctr_round.rows IS 'rows that trained';
COMMENT ON COLUMN ctr_round.train_loss IS 'mean over the parts of their loss on the rows that train them';
COMMENT ON COLUMN ctr_round.val_loss IS 'mean over the parts of their loss on rows held back, before they are merged';
COMMENT ON COLUMN ctr_round.val_auc IS 'mean over the parts of the area under their ROC curve on rows held back, before they are merged';
COMMENT ON COLUMN ctr_round.seconds IS 'wall-clock time of the round';
COMMENT ON COLUMN ctr_round.bytes IS 'bytes sent to other servers and received from them';
COMMENT ON COLUMN ctr_round.ended IS 'when the round ended';

CREATE FUNCTION ctr_parts(source pg_catalog.regclass, engine pg_catalog.text, OUT part pg_catalog.regclass, OUT rows pg_catalog.text)
    RETURNS SETOF pg_catalog.record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns pg_catalog.text;
BEGIN
    IF engine NOT IN ('auto', 'local') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('engine is "%s"', engine),
            HINT = 'Give "auto" or "local".';
    END IF;
    -- Columns by the names and in the order of the whole, which those of a partition need not be in.
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
    FROM pg_attribute a WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped;
    FOR part IN
        SELECT t.relid FROM pg_partition_tree(source) t WHERE t.isleaf
        UNION ALL SELECT source WHERE NOT EXISTS (SELECT FROM pg_partition_tree(source))
    LOOP
        rows := format('(SELECT %s FROM %s)', columns, part);
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION ctr_parts(pg_catalog.regclass, pg_catalog.text) IS
    'The parts of a table that ctr_train_distributed trains on: the partitions that have rows, or the table itself, each with a sub-select of its rows.';

CREATE FUNCTION ctr_pass(source pg_catalog.regclass, engine pg_catalog.text, aggregate pg_catalog.text, options pg_catalog.jsonb,
    model ctr_model, OUT merged ctr_model, OUT bytes bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    home pg_catalog.text := (SELECT typnamespace::regnamespace FROM pg_type WHERE oid = pg_typeof(model));
    which pg_catalog.regclass;
    sub_select pg_catalog.text;
    state pg_catalog.text; message pg_catalog.text; details pg_catalog.text; advice pg_catalog.text;
BEGIN
    -- A training raises a NOTICE for each epoch; here those are of many.
    IF current_setting('client_min_messages') NOT IN ('warning', 'error') THEN
        PERFORM set_config('client_min_messages', 'warning', true);
    END IF;
    bytes := 0;
    -- ctr_merge leaves what lies in a table there until its turn, so that parts need no memory.
    EXECUTE format('CREATE TEMPORARY TABLE ctr_trained (part %s.ctr_model)', home);
    FOR which, sub_select IN EXECUTE format('SELECT part, rows FROM %s.ctr_parts($1, $2)', home) USING source, engine LOOP
        EXECUTE format('INSERT INTO pg_temp.ctr_trained SELECT %s.%I(c::pg_catalog.record, $1, $2) FROM %s c', home, aggregate, sub_select)
            USING options, model;
    END LOOP;
    which := NULL;
    EXECUTE format('SELECT %s.ctr_merge(part) FROM pg_temp.ctr_trained', home) INTO merged;
    DROP TABLE pg_temp.ctr_trained;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
    IF which IS NOT NULL THEN
        message := format('part %s: %s', which, message);
    END IF;
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = details, HINT = advice;
END $$;
COMMENT ON FUNCTION ctr_pass(pg_catalog.regclass, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, ctr_model) IS
    'A pass of ctr_train_distributed over all parts of a table, by ctr_prepare or ctr_train: what ctr_merge makes of them.';

CREATE FUNCTION ctr_round_options(model ctr_model, options pg_catalog.jsonb, parts integer, round integer, rounds integer)
    RETURNS pg_catalog.jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    home pg_catalog.text := (SELECT typnamespace::regnamespace FROM pg_type WHERE oid = pg_typeof(model));
    config pg_catalog.jsonb;
    rate double precision;
    batch double precision;
BEGIN
    EXECUTE format('SELECT %s.ctr_config($1)', home) INTO config USING model;
    -- The recipe's values, because those of a model in mid-training are the round's.
    EXECUTE format('SELECT max(v) FILTER (WHERE option = ''learning_rate''), max(v) FILTER (WHERE option = ''batch_size'')
        FROM (SELECT option, (CASE $1 WHEN ''robust'' THEN robust ELSE reference END)::float8 AS v FROM %s.ctr_options()
              WHERE option IN (''learning_rate'', ''batch_size'') AND $2 = ANY (architectures)) o', home)
        INTO rate, batch USING config->'options'->>'recipe', config->>'architecture';
    -- The more parts there are, the smaller are the batches, but those that the options ask for.
    RETURN coalesce(options, '{}') || jsonb_build_object(
        'epochs', coalesce((options->>'epochs')::integer, 1),
        'batch_size', coalesce((options->>'batch_size')::integer, greatest(round(batch / power(parts, 2.0 / 3)), 32)),
        'lr_schedule', 'constant',
        'learning_rate', coalesce((options->>'learning_rate')::float8, rate) * (1 + cos(pi() * (round - 0.5) / rounds)) / 2);
END $$;
COMMENT ON FUNCTION ctr_round_options(ctr_model, pg_catalog.jsonb, integer, integer, integer) IS
    'The options by which parts train in a round of ctr_train_distributed: those of the caller, the round''s place on one cosine of the learning rate, and a batch size for so many parts.';

CREATE PROCEDURE ctr_train_distributed(source pg_catalog.regclass, options pg_catalog.jsonb DEFAULT NULL, INOUT model ctr_model DEFAULT NULL,
    rounds integer DEFAULT 10, engine pg_catalog.text DEFAULT 'auto', momentum double precision DEFAULT 0.5, patience integer DEFAULT 0,
    checkpoint pg_catalog.regclass DEFAULT NULL)
    LANGUAGE plpgsql AS $$
DECLARE
    home pg_catalog.text;          -- the extension's schema
    n_parts integer;
    finished integer;              -- the last round that is complete; 0: only the start is; NULL: that is not, either
    task pg_catalog.text;          -- the aggregate of the next pass, and its options
    settings pg_catalog.jsonb;
    merged model%TYPE;             -- what the pass gave
    velocity model%TYPE;
    best model%TYPE;
    best_round integer;
    best_metric double precision;
    began pg_catalog.timestamptz;
    figures record;                -- of a round
    sent bigint;
    state pg_catalog.text;         -- of an error
    problem pg_catalog.text;
    details pg_catalog.text;
    advice pg_catalog.text;
BEGIN
    COMMIT;                        -- fails in a transaction block, before anything is done
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    home := (SELECT typnamespace::regnamespace FROM pg_type WHERE oid = pg_typeof(model));
    IF NOT coalesce(rounds > 0 AND patience >= 0 AND momentum >= 0 AND momentum < 1, false) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('rounds is %s, patience is %s, momentum is %s', coalesce(rounds::text, 'NULL'), coalesce(patience::text, 'NULL'), coalesce(momentum::text, 'NULL')),
            HINT = 'Give at least one round, a patience in rounds, where 0 is for ever, and a momentum from 0 to below 1.';
    END IF;
    IF source IS NULL OR engine IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = format('%s is NULL', CASE WHEN source IS NULL THEN 'source' ELSE 'engine' END);
    END IF;
    EXECUTE format('SELECT count(*) FROM %s.ctr_parts($1, $2)', home) INTO n_parts USING source, engine;
    rounds := CASE WHEN n_parts > 1 THEN rounds ELSE 1 END;    -- of one part there is nothing to merge
    IF checkpoint IS NOT NULL THEN
        EXECUTE format('SELECT round, model, velocity FROM %s WHERE model IS NOT NULL ORDER BY round DESC LIMIT 1', checkpoint)
            INTO finished, merged, velocity;
        EXECUTE format('SELECT round, coalesce(val_auc, -val_loss) FROM %s WHERE val_loss IS NOT NULL ORDER BY 2 DESC, 1 LIMIT 1', checkpoint)
            INTO best_round, best_metric;
        model := coalesce(merged, model);
    END IF;
    IF finished IS NULL AND model IS NOT NULL THEN
        EXECUTE format('SELECT CASE WHEN %s.ctr_describe($1) NOT LIKE ''prepared:%%'' THEN 0 END', home) INTO finished USING model;
    END IF;

    WHILE coalesce(finished, -1) < rounds LOOP
        EXIT WHEN patience > 0 AND finished - best_round >= patience;
        began := clock_timestamp();
        task := CASE WHEN finished IS NULL THEN 'ctr_prepare' ELSE 'ctr_train' END;
        settings := options;
        IF finished IS NOT NULL AND n_parts > 1 THEN
            EXECUTE format('SELECT %s.ctr_round_options($1, $2, $3, $4, $5)', home) INTO settings USING model, options, n_parts, finished + 1, rounds;
        END IF;

        FOR attempt IN 1 .. 2 LOOP
            problem := NULL;
            BEGIN
                EXECUTE format('SELECT * FROM %s.ctr_pass($1, $2, $3, $4, $5)', home) INTO merged, sent USING source, engine, task, settings, model;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, problem = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
            END;
            ROLLBACK;              -- all but the result was for this pass only
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            EXIT WHEN problem IS NULL;
            -- Once more where that may help: connections, conflicts, resources, interventions, the system.
            IF attempt = 2 OR left(state, 2) NOT IN ('08', '40', '53', '55', '57', '58') THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = problem, DETAIL = details,
                    HINT = concat_ws(' ', nullif(advice, ''), format('Called again with the same checkpoint, the training goes on after round %s.', finished));
            END IF;
            RAISE NOTICE USING MESSAGE = format('%s; trying again', problem);
            PERFORM pg_sleep(2);
        END LOOP;

        EXIT WHEN merged IS NULL;  -- no rows, which ctr_merge has said
        IF task = 'ctr_prepare' OR n_parts = 1 THEN
            model := merged;
        ELSE
            EXECUTE format('SELECT model, velocity FROM %s.ctr_step($1, $2, $3, $4)', home) INTO model, velocity USING model, merged, velocity, momentum;
        END IF;
        EXECUTE format('SELECT CASE WHEN %s.ctr_describe($1) NOT LIKE ''prepared:%%'' THEN coalesce($2 + 1, 0) END', home) INTO finished USING model, finished;
        CONTINUE WHEN finished IS NULL;
        EXECUTE format('SELECT (%1$s.ctr_config($1)->''rows''->>''training'')::bigint AS rows, h.train_loss, h.val_loss, h.val_auc
            FROM (VALUES (1)) v LEFT JOIN (SELECT * FROM %1$s.ctr_history($1) ORDER BY epoch DESC LIMIT 1) h ON true', home) INTO figures USING model;
        IF coalesce(figures.val_auc, -figures.val_loss) > best_metric IS NOT FALSE AND finished > 0 THEN
            best_metric := coalesce(figures.val_auc, -figures.val_loss);
            best_round := finished;
            best := CASE WHEN patience > 0 AND checkpoint IS NULL THEN model END;
        END IF;
        RAISE NOTICE USING MESSAGE = concat_ws(', ', CASE WHEN finished > 0 THEN format('round %s of %s', finished, rounds) ELSE 'prepared' END
            || format(': %s %s', n_parts, CASE WHEN n_parts > 1 THEN 'parts' ELSE 'part' END), figures.rows || ' rows',
            'train loss ' || round(figures.train_loss::numeric, 4), 'validation loss ' || round(figures.val_loss::numeric, 4), 'AUC ' || round(figures.val_auc::numeric, 4),
            round(extract(epoch FROM clock_timestamp() - began)::numeric, 1) || ' s', CASE WHEN sent > 0 THEN pg_size_pretty(sent) || ' sent' END);
        IF checkpoint IS NOT NULL THEN
            EXECUTE format('UPDATE %s SET velocity = NULL WHERE velocity IS NOT NULL', checkpoint);
            EXECUTE format('INSERT INTO %s (round, model, velocity, parts, rows, train_loss, val_loss, val_auc, seconds, bytes, ended)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, extract(epoch FROM clock_timestamp() - $9), $10, clock_timestamp())', checkpoint)
                USING finished, model, velocity, n_parts, figures.rows, figures.train_loss, figures.val_loss, figures.val_auc, began, sent;
        END IF;
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END LOOP;
    COMMIT;                        -- gives the caller's search path back
    -- Models are large: one that a table has is not also the result, which psql would print.
    model := CASE WHEN checkpoint IS NULL THEN coalesce(best, model) END;
END $$;
COMMENT ON PROCEDURE ctr_train_distributed(pg_catalog.regclass, pg_catalog.jsonb, ctr_model, integer, pg_catalog.text, double precision, integer, pg_catalog.regclass) IS
    'Trains one model on the parts of a table, each where it lies: prepares them, unless a model to go on from is given, then in each round trains each part from the common model and merges them, with momentum over the rounds. Commits after each round, so it cannot run in a transaction block. checkpoint: a table OF ctr_round, which gets a row for each round; called again with it, the training goes on after the last one. Without it the model is the result; stopped by patience, that of the best round.';
