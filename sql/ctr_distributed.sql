
-- ------------------------------------------------------------------ many machines

/*
 * Trainings over the parts of a table, in PL/pgSQL: what a part computes is in C (ctr_prepare, ctr_train, ctr_evaluate_part), here
 * is only who does what when. Nothing of the caller's search path is used: functions have one of their own; the procedure, which
 * commits and therefore cannot have one, sets it anew in every transaction before it evaluates anything. What is ours is called
 * by the schema that the type ctr_model is in, with arguments of exactly the declared types.
 *
 * Models are large, and what a variable or a parameter holds is copied several times by each statement that it is given to. So they
 * lie in temporary tables, and statements take them from there: ctr_run has the model from which the parts go on, and the velocity;
 * ctr_results what the parts made; ctr_merged what that is together.
 */

CREATE TYPE ctr_round AS (
    round integer, model ctr_model, velocity ctr_model, parts integer, rows bigint, train_loss double precision,
    val_loss double precision, val_auc double precision, seconds double precision, bytes bigint, ended pg_catalog.timestamptz);
COMMENT ON TYPE ctr_round IS 'a round of ctr_train_distributed; CREATE TABLE name OF ctr_round makes a table for its checkpoints';
COMMENT ON COLUMN ctr_round.round IS 'number, from 1; 0: the start, from which the first round goes on';
COMMENT ON COLUMN ctr_round.model IS 'the model after the round';
COMMENT ON COLUMN ctr_round.velocity IS 'what the next round needs besides the model, where there is momentum; NULL once it has ended';
COMMENT ON COLUMN ctr_round.parts IS 'parts of the table';
COMMENT ON COLUMN ctr_round.rows IS 'rows that trained';
COMMENT ON COLUMN ctr_round.train_loss IS 'mean over the parts of their loss on the rows that train them';
COMMENT ON COLUMN ctr_round.val_loss IS 'mean over the parts of their loss on rows held back, before they are merged; NULL once those train, too';
COMMENT ON COLUMN ctr_round.val_auc IS 'mean over the parts of the area under their ROC curve on rows held back, before they are merged; NULL once those train, too';
COMMENT ON COLUMN ctr_round.seconds IS 'wall-clock time of the round';
COMMENT ON COLUMN ctr_round.bytes IS 'bytes sent to other servers and received from them';
COMMENT ON COLUMN ctr_round.ended IS 'when the round ended';

CREATE FUNCTION ctr_parts(source pg_catalog.regclass, engine pg_catalog.text, OUT part pg_catalog.regclass, OUT rows pg_catalog.text,
    OUT state pg_catalog.text, OUT work pg_catalog.text, OUT shard pg_catalog.text, OUT node pg_catalog.text, OUT port integer)
    RETURNS SETOF pg_catalog.record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns pg_catalog.text;
    home pg_catalog.name;
    relation pg_catalog.name;
    owner pg_catalog.oid;
    is_far boolean;
    missing pg_catalog.text;
BEGIN
    IF engine NOT IN ('auto', 'local', 'fdw', 'citus') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('engine is "%s"', engine),
            HINT = 'Give "auto", "local", "fdw" or "citus".';
    END IF;
    -- Columns by the names and in the order of the whole, which those of a partition need not be in.
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
    FROM pg_attribute a WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped;
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        FOR part, rows, shard, node, port IN
            SELECT source, format('(SELECT %s FROM %s)', columns, s.name), s.name, p.nodename, p.nodeport
            FROM (SELECT d.shardid, format('%s.%I', c.relnamespace::regnamespace, path[cardinality(path)]) AS name
                  FROM pg_class c JOIN pg_dist_shard d ON d.logicalrelid = c.oid, parse_ident(shard_name(c.oid, d.shardid)) path WHERE c.oid = source) s
            -- a shard that has several places works in the first of them
            LEFT JOIN LATERAL (SELECT nodename, nodeport FROM pg_dist_shard_placement WHERE shardid = s.shardid AND shardstate = 1 ORDER BY placementid LIMIT 1) p ON true
            ORDER BY s.shardid
        LOOP
            IF node IS NULL THEN
                RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = format('part %s of %s has no active placement', shard, source);
            ELSIF engine IN ('local', 'fdw') THEN
                RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is a distributed table of Citus', source), HINT = 'Choose engine "citus".';
            END IF;
            RETURN NEXT;
        END LOOP;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    IF engine = 'citus' THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is no distributed table of Citus', source),
            HINT = 'Distribute it by create_distributed_table, or choose another engine.';
    END IF;
    FOR part, home, relation, owner, is_far IN
        SELECT c.oid, n.nspname, c.relname, c.relowner,
            engine <> 'local' AND EXISTS (SELECT FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
                JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE f.ftrelid = c.oid AND w.fdwname = 'postgres_fdw')
        FROM (SELECT relid FROM pg_partition_tree(source) WHERE isleaf
              UNION ALL SELECT source WHERE NOT EXISTS (SELECT FROM pg_partition_tree(source))) t
        JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
    LOOP
        rows := format('(SELECT %s FROM %s)', columns, part);
        state := NULL;
        work := NULL;
        IF is_far THEN
            -- else the names would be cut, and the part itself be meant
            IF octet_length(relation) > 53 THEN
                RAISE EXCEPTION USING ERRCODE = 'name_too_long', MESSAGE = format('name "%s" of a part is too long', relation),
                    DETAIL = 'With "_ctr_state" it would pass 63 bytes.', HINT = 'Rename it, or let the rows come here: engine => ''local''.';
            END IF;
            state := format('%I.%I', home, relation || '_ctr_state');
            work := format('%I.%I', home, relation || '_ctr_work');
            -- What is not the part's owner's, or the caller's, may be anybody's trap.
            SELECT string_agg(name, ' and ') INTO missing FROM unnest(ARRAY[state, work]) name
            WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass(name) AND c.relkind = 'f'
                AND c.relowner IN (owner, (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)));
            IF missing IS NOT NULL THEN
                RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('part %s of %s has no foreign table %s', part, source, missing),
                    HINT = format('Run what ctr_fdw_setup(%L) says, there and here; or let the rows come here: engine => ''local''.', source);
            END IF;
        ELSIF engine = 'fdw' AND (SELECT relkind FROM pg_class WHERE oid = part) = 'f' THEN
            RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('part %s of %s is no foreign table of postgres_fdw', part, source),
                HINT = 'Let its rows come here: engine => ''local''.';
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION ctr_parts(pg_catalog.regclass, pg_catalog.text) IS
    'The parts of a table that ctr_train_distributed trains on: the partitions that have rows, or the table itself. Each with a sub-select of its rows; where another server does the work, with the foreign tables by which it gets options and model and gives what it made.';

CREATE FUNCTION ctr_forget() RETURNS pg_catalog.void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.ctr_run, pg_temp.ctr_base, pg_temp.ctr_sent, pg_temp.ctr_shards, pg_temp.ctr_received, pg_temp.ctr_results, pg_temp.ctr_merged, pg_temp.ctr_best;
END $$;
COMMENT ON FUNCTION ctr_forget() IS 'Drops the temporary tables of ctr_train_distributed and ctr_evaluate_distributed.';

CREATE FUNCTION ctr_send(target pg_catalog.text, task pg_catalog.text, options pg_catalog.jsonb, home pg_catalog.text, OUT sent bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base CONSTANT pg_catalog.text := CASE WHEN task = 'ctr_train' AND to_regclass('pg_temp.ctr_base') IS NOT NULL THEN 'ctr_base' ELSE 'ctr_run' END;
    is_there boolean := false;
    n bigint;
BEGIN
    IF task = 'ctr_train' THEN
        IF to_regclass('pg_temp.ctr_sent') IS NULL THEN
            CREATE TEMPORARY TABLE ctr_sent (part integer, bytes pg_catalog.bytea);
            ALTER TABLE pg_temp.ctr_sent ALTER bytes SET STORAGE EXTERNAL;
            EXECUTE format('INSERT INTO pg_temp.ctr_sent SELECT n, substr(c.changes, (n - 1) * 1048576 + 1, 1048576)
                FROM (SELECT %s.ctr_changes(r.model, b.model) AS changes FROM pg_temp.ctr_run r, pg_temp.%I b OFFSET 0) c,
                    generate_series(1, (octet_length(c.changes) + 1048575) / 1048576) n', home, base);
        END IF;
        -- Changes have the digest of their base, by which a base that is there already is known.
        EXECUTE format('SELECT bytes = (SELECT substr(bytes, 9, 64) FROM pg_temp.ctr_sent WHERE part = 1) FROM %s WHERE base AND part = 0', target) INTO is_there;
    END IF;
    sent := 0;
    IF is_there THEN
        EXECUTE format('DELETE FROM %s WHERE NOT base', target);
    ELSE
        EXECUTE format('TRUNCATE %s', target);
        -- In chunks, so that connections need no memory for whole models.
        EXECUTE format('INSERT INTO %s (base, part, bytes) SELECT true, k.part, k.bytes FROM pg_temp.%I r, LATERAL %s.ctr_chunks(r.model, 1048576) k', target, base, home);
        EXECUTE format('SELECT coalesce(2 * octet_length(model::bytea), 0) FROM pg_temp.%I', base) INTO sent;
    END IF;
    IF task = 'ctr_train' THEN
        IF is_there IS NOT TRUE THEN
            EXECUTE format('INSERT INTO %s (base, part, bytes) SELECT true, 0, substr(bytes, 9, 64) FROM pg_temp.ctr_sent WHERE part = 1', target);
        END IF;
        EXECUTE format('INSERT INTO %s (base, options, part, bytes) SELECT false, $1, part, bytes FROM pg_temp.ctr_sent', target) USING options;
        EXECUTE 'SELECT 2 * sum(octet_length(bytes)) FROM pg_temp.ctr_sent' INTO n;
        sent := sent + n;
    ELSE
        EXECUTE format('INSERT INTO %s (base, options, part) VALUES (false, $1, 1)', target) USING options;
    END IF;
END $$;
COMMENT ON FUNCTION ctr_send(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
    'Sends options, and the model in the temporary table ctr_run, to the state of a part on another server: to be trained as what it has other than that in ctr_base, if there is one, which goes there once and stays. Tells how many bytes it sent.';

CREATE FUNCTION ctr_on_parts(source pg_catalog.regclass, engine pg_catalog.text, task pg_catalog.text, options pg_catalog.jsonb, home pg_catalog.text,
    OUT sent bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given pg_catalog.text := '(SELECT model FROM pg_temp.ctr_run)';
    call pg_catalog.text := CASE task WHEN 'ctr_evaluate_part' THEN format('%s.ctr_evaluate_part(%s, (c.*)::pg_catalog.record)', home, given)
        WHEN 'ctr_train' THEN format('%1$s.ctr_changes(%1$s.ctr_train((c.*)::pg_catalog.record, $1, %2$s), %2$s)', home, given)
        ELSE format('%s.ctr_prepare((c.*)::pg_catalog.record, $1, %s)', home, given) END;
    type pg_catalog.text := CASE task WHEN 'ctr_prepare' THEN home || '.ctr_model' ELSE 'bytea' END;
    which pg_catalog.regclass;
    target pg_catalog.text;
    there pg_catalog.text;
    state pg_catalog.text; problem pg_catalog.text; details pg_catalog.text; advice pg_catalog.text; context pg_catalog.text;
BEGIN
    EXECUTE format('CREATE TEMPORARY TABLE ctr_results (part %s)', type);
    ALTER TABLE pg_temp.ctr_results ALTER part SET STORAGE EXTERNAL;
    CREATE TEMPORARY TABLE ctr_received (source pg_catalog.oid, part integer, bytes pg_catalog.bytea);
    ALTER TABLE pg_temp.ctr_received ALTER bytes SET STORAGE EXTERNAL;
    sent := 0;
    FOR which, target IN EXECUTE format('SELECT part, state FROM %s.ctr_parts($1, $2) WHERE state IS NOT NULL', home) USING source, engine LOOP
        EXECUTE format('SELECT $1 + %s.ctr_send($2, $3, $4, $5)', home) INTO sent USING sent, target, task, options, home;
    END LOOP;
    IF to_regclass('pg_temp.ctr_sent') IS NOT NULL THEN
        DROP TABLE pg_temp.ctr_sent;
    END IF;
    which := NULL;
    -- One statement, so that all servers work at once.
    EXECUTE format('SELECT string_agg(format(''SELECT tableoid, part, bytes FROM %%s WHERE task = %%L'', work, $3), '' UNION ALL '') FROM %s.ctr_parts($1, $2) WHERE work IS NOT NULL', home)
        INTO there USING source, engine, task;
    IF there IS NOT NULL THEN
        EXECUTE format('INSERT INTO pg_temp.ctr_received %s', there);
        EXECUTE 'SELECT $1 + 2 * coalesce(sum(octet_length(bytes)), 0) FROM pg_temp.ctr_received' INTO sent USING sent;
    END IF;
    EXECUTE format('CREATE TEMPORARY TABLE ctr_shards AS SELECT ordinality::integer AS number, shard, rows, node, port, row_number() OVER (PARTITION BY node, port ORDER BY ordinality) AS nth,
        0 AS chunks FROM %s.ctr_parts($1, $2) WITH ORDINALITY WHERE shard IS NOT NULL', home) USING source, engine;
    IF EXISTS (SELECT FROM pg_temp.ctr_shards) THEN
        EXECUTE format('SELECT %s.ctr_on_shards($1, $2, $3, $4)', home) INTO sent USING source, task, options, home;
    END IF;
    DROP TABLE pg_temp.ctr_shards;
    FOR which IN EXECUTE 'SELECT DISTINCT source FROM pg_temp.ctr_received' LOOP
        EXECUTE format('INSERT INTO pg_temp.ctr_results SELECT %s FROM pg_temp.ctr_received WHERE source = $1',
            CASE type WHEN 'bytea' THEN 'string_agg(bytes, '''' ORDER BY part)' ELSE home || '.ctr_from_chunks(part, bytes)' END) USING which;
    END LOOP;
    DROP TABLE pg_temp.ctr_received;
    FOR which, target IN EXECUTE format('SELECT part, rows FROM %s.ctr_parts($1, $2) WHERE state IS NULL AND shard IS NULL', home) USING source, engine LOOP
        EXECUTE format('INSERT INTO pg_temp.ctr_results SELECT %s FROM %s c', call, target) USING options;
    END LOOP;
    FOR which, target IN EXECUTE format('SELECT part, state FROM %s.ctr_parts($1, $2) WHERE state IS NOT NULL', home) USING source, engine LOOP
        EXECUTE format(CASE task WHEN 'ctr_train' THEN 'DELETE FROM %s WHERE NOT base' ELSE 'TRUNCATE %s' END, target);
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, problem = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT,
        context = PG_EXCEPTION_CONTEXT;
    IF which IS NULL THEN          -- the remote statement, in the context before ours, has the part's name
        EXECUTE format('SELECT p.part FROM %s.ctr_parts($1, $2) p JOIN pg_class c ON c.oid = p.part WHERE position(''.'' || quote_ident(c.relname || ''_ctr_work'') IN $3) > 0', home)
            INTO which USING source, engine, split_part(context, 'INSERT INTO pg_temp.ctr_received', 1);
    END IF;
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = concat('part ' || which || ': ', problem), DETAIL = details, HINT = advice;
END $$;
COMMENT ON FUNCTION ctr_on_parts(pg_catalog.regclass, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
    'Runs ctr_prepare, ctr_train or ctr_evaluate_part on each part of a table, where its rows are, with the model in the temporary table ctr_run; what they give is in ctr_results. Tells how many bytes went between servers.';

CREATE FUNCTION ctr_leave(source pg_catalog.regclass, engine pg_catalog.text, home pg_catalog.text) RETURNS pg_catalog.void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    which pg_catalog.regclass;
    target pg_catalog.text;
BEGIN
    FOR which, target IN EXECUTE format('SELECT part, state FROM %s.ctr_parts($1, $2) WHERE state IS NOT NULL', home) USING source, engine LOOP
        BEGIN
            EXECUTE format('TRUNCATE %s', target);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('part %s keeps a model: %s', which, SQLERRM);
        END;
    END LOOP;
END $$;
COMMENT ON FUNCTION ctr_leave(pg_catalog.regclass, pg_catalog.text, pg_catalog.text) IS
    'Deletes what a training has left on other servers from round to round; a WARNING where one cannot be reached.';

CREATE FUNCTION ctr_pass(source pg_catalog.regclass, engine pg_catalog.text, task pg_catalog.text, options pg_catalog.jsonb, home pg_catalog.text,
    OUT sent bigint, OUT is_empty boolean)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    messages pg_catalog.text := current_setting('client_min_messages');
BEGIN
    -- A training raises a NOTICE for each epoch; here those are of many.
    IF messages NOT IN ('warning', 'error') THEN
        PERFORM set_config('client_min_messages', 'warning', true);
    END IF;
    EXECUTE format('SELECT %s.ctr_on_parts($1, $2, $3, $4, $5)', home) INTO sent USING source, engine, task, options, home;
    EXECUTE format('CREATE TEMPORARY TABLE ctr_merged AS SELECT m AS model, CASE WHEN false THEN m END AS velocity FROM (SELECT %s.ctr_merge(%s part) FROM pg_temp.ctr_results) r (m)',
        home, CASE task WHEN 'ctr_train' THEN '(SELECT model FROM pg_temp.ctr_run),' END);
    DROP TABLE pg_temp.ctr_results;
    EXECUTE 'SELECT model IS NULL FROM pg_temp.ctr_merged' INTO is_empty;
    PERFORM set_config('client_min_messages', messages, true);
END $$;
COMMENT ON FUNCTION ctr_pass(pg_catalog.regclass, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
    'A pass of ctr_train_distributed over all parts of a table, by ctr_prepare or ctr_train: what ctr_merge makes of them is in the temporary table ctr_merged.';

CREATE FUNCTION ctr_round_options(model ctr_model, options pg_catalog.jsonb, parts integer, round integer, rounds integer, patience integer)
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
    -- Rows that were held back have shown in the first rounds whether it learns, and train in the others, unless patience needs them to
    -- the end. What has trained measures nothing any more, so a model that goes on keeps to that.
    IF patience = 0 AND round > greatest(0.3 * rounds, 1) OR (config->'options'->>'validation')::float8 = 0 THEN
        options := coalesce(options, '{}') || '{"validation": 0}';
    END IF;
    -- The more parts there are, the smaller are the batches, but those that the options ask for.
    RETURN coalesce(options, '{}') || jsonb_build_object(
        'epochs', coalesce((options->>'epochs')::integer, 1),
        'batch_size', coalesce((options->>'batch_size')::integer, greatest(round(batch / power(parts, 2.0 / 3)), 32)),
        'lr_schedule', 'constant',
        'learning_rate', coalesce((options->>'learning_rate')::float8, rate) * (1 + cos(pi() * (round - 0.5) / rounds)) / 2);
END $$;
COMMENT ON FUNCTION ctr_round_options(ctr_model, pg_catalog.jsonb, integer, integer, integer, integer) IS
    'The options by which parts train in a round of ctr_train_distributed: those of the caller, the round''s place on one cosine of the learning rate, a batch size for so many parts, and, after the first rounds and without patience, no rows held back.';

CREATE PROCEDURE ctr_train_distributed(source pg_catalog.regclass, options pg_catalog.jsonb DEFAULT NULL, INOUT model ctr_model DEFAULT NULL,
    rounds integer DEFAULT 10, engine pg_catalog.text DEFAULT 'auto', momentum double precision DEFAULT 0, patience integer DEFAULT 0,
    checkpoint pg_catalog.regclass DEFAULT NULL)
    LANGUAGE plpgsql AS $$
DECLARE
    home pg_catalog.text;          -- the extension's schema
    n_parts integer;
    finished integer;              -- the last round that is complete; 0: only the start is; NULL: that is not, either
    task pg_catalog.text;          -- the aggregate of the next pass, and its options
    settings pg_catalog.jsonb;
    is_empty boolean;
    best_round integer;
    best_metric double precision;
    since_best integer := 0;       -- rounds that were measured after the best one
    began pg_catalog.timestamptz;
    figures pg_catalog.record;     -- of a round
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
    EXECUTE format('SELECT %s.ctr_forget()', home);
    IF checkpoint IS NOT NULL THEN
        EXECUTE format('CREATE TEMPORARY TABLE ctr_run AS SELECT round, model, velocity FROM %s WHERE model IS NOT NULL ORDER BY round DESC LIMIT 1', checkpoint);
        EXECUTE 'SELECT round FROM pg_temp.ctr_run' INTO finished;
        EXECUTE format('SELECT round, coalesce(val_auc, -val_loss) FROM %s WHERE val_loss IS NOT NULL ORDER BY 2 DESC, 1 LIMIT 1', checkpoint)
            INTO best_round, best_metric;
        EXECUTE format('SELECT count(*) FROM %s WHERE val_loss IS NOT NULL AND round > $1', checkpoint) INTO since_best USING best_round;
    END IF;
    IF finished IS NULL THEN
        EXECUTE format('SELECT %s.ctr_forget()', home);
        CREATE TEMPORARY TABLE ctr_run AS SELECT model, CASE WHEN false THEN model END AS velocity;
        EXECUTE format('SELECT CASE WHEN %s.ctr_config(model)->>''weights'' <> ''prepared'' THEN 0 END FROM pg_temp.ctr_run', home) INTO finished;
    END IF;
    model := NULL;

    WHILE coalesce(finished, -1) < rounds LOOP
        COMMIT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        EXIT WHEN patience > 0 AND since_best >= patience;
        began := clock_timestamp();
        task := CASE WHEN finished IS NULL THEN 'ctr_prepare' ELSE 'ctr_train' END;
        settings := options;
        IF finished IS NOT NULL AND n_parts > 1 THEN
            EXECUTE format('SELECT %s.ctr_round_options(model, $1, $2, $3, $4, $5) FROM pg_temp.ctr_run', home) INTO settings
                USING options, n_parts, finished + 1, rounds, patience;
            IF patience > 0 AND (settings->>'validation')::float8 = 0 THEN
                RAISE WARNING USING MESSAGE = 'patience cannot end the training, because no rows are held back',
                    DETAIL = 'Validation is 0: by the options, or because the model has trained on the rows that were held back before.',
                    HINT = 'Go on from a model of a round that was measured, or leave out patience.';
                patience := 0;
            END IF;
        END IF;

        FOR attempt IN 1 .. 2 LOOP
            problem := NULL;
            BEGIN
                EXECUTE format('SELECT * FROM %s.ctr_pass($1, $2, $3, $4, $5)', home) INTO sent, is_empty USING source, engine, task, settings, home;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, problem = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
            END;
            EXIT WHEN problem IS NULL;
            ROLLBACK;              -- connections that were lost can be made anew only in another transaction
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            -- Once more where that may help: connections, conflicts, resources, interventions, the system.
            IF attempt = 2 OR left(state, 2) NOT IN ('08', '40', '53', '55', '57', '58') THEN
                EXECUTE format('SELECT %s.ctr_forget()', home);
                COMMIT;
                PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = problem, DETAIL = details,
                    HINT = concat_ws(' ', nullif(advice, ''), CASE WHEN checkpoint IS NOT NULL AND finished IS NOT NULL
                        THEN format('Called again with the same checkpoint, the training goes on after round %s.', finished) END);
            END IF;
            RAISE NOTICE USING MESSAGE = format('%s; trying again', problem);
            PERFORM pg_sleep(2);
        END LOOP;

        EXIT WHEN is_empty;        -- no rows, which ctr_merge has said
        IF task = 'ctr_train' AND n_parts > 1 AND momentum > 0 THEN
            EXECUTE format('CREATE TEMPORARY TABLE ctr_next AS SELECT s.model, s.velocity FROM pg_temp.ctr_run r, pg_temp.ctr_merged m,
                LATERAL %s.ctr_step(r.model, m.model, r.velocity, %L::double precision) s', home, momentum);
            DROP TABLE pg_temp.ctr_merged;
            ALTER TABLE pg_temp.ctr_next RENAME TO ctr_merged;
        END IF;
        -- The first model that servers have trained from stays on them, and the others go there as what they have other than it.
        IF task = 'ctr_train' AND sent > 0 AND to_regclass('pg_temp.ctr_base') IS NULL THEN
            ALTER TABLE pg_temp.ctr_run RENAME TO ctr_base;
        ELSE
            DROP TABLE pg_temp.ctr_run;
        END IF;
        ALTER TABLE pg_temp.ctr_merged RENAME TO ctr_run;
        EXECUTE format('SELECT CASE WHEN %s.ctr_config(model)->>''weights'' <> ''prepared'' THEN coalesce($1 + 1, 0) END FROM pg_temp.ctr_run', home)
            INTO finished USING finished;
        CONTINUE WHEN finished IS NULL;
        EXECUTE format('SELECT (%1$s.ctr_config(model)->''rows''->>''training'')::bigint AS rows, h.train_loss, h.val_loss, h.val_auc
            FROM pg_temp.ctr_run LEFT JOIN LATERAL (SELECT * FROM %1$s.ctr_history(model) ORDER BY epoch DESC LIMIT 1) h ON true', home) INTO figures;
        since_best := since_best + (figures.val_loss IS NOT NULL)::integer;
        IF figures.val_loss IS NOT NULL AND coalesce(figures.val_auc, -figures.val_loss) > best_metric IS NOT FALSE THEN
            best_metric := coalesce(figures.val_auc, -figures.val_loss);
            best_round := finished;
            since_best := 0;
            IF patience > 0 AND checkpoint IS NULL THEN
                IF to_regclass('pg_temp.ctr_best') IS NOT NULL THEN
                    DROP TABLE pg_temp.ctr_best;
                END IF;
                CREATE TEMPORARY TABLE ctr_best AS SELECT r.model FROM pg_temp.ctr_run r;
            END IF;
        END IF;
        RAISE NOTICE USING MESSAGE = concat_ws(', ', CASE WHEN finished > 0 THEN format('round %s of %s', finished, rounds) ELSE 'prepared' END
            || format(': %s %s', n_parts, CASE WHEN n_parts > 1 THEN 'parts' ELSE 'part' END), figures.rows || ' rows',
            'train loss ' || round(figures.train_loss::numeric, 4),
            coalesce('validation loss ' || round(figures.val_loss::numeric, 4), CASE WHEN finished > 0 THEN 'no validation' END), 'AUC ' || round(figures.val_auc::numeric, 4),
            round(extract(epoch FROM clock_timestamp() - began)::numeric, 1) || ' s', CASE WHEN sent > 0 THEN pg_size_pretty(sent) || ' sent' END);
        IF checkpoint IS NOT NULL THEN
            EXECUTE format('UPDATE %s SET velocity = NULL WHERE velocity IS NOT NULL', checkpoint);
            EXECUTE format('INSERT INTO %s (round, model, velocity, parts, rows, train_loss, val_loss, val_auc, seconds, bytes, ended)
                SELECT $1, model, velocity, $2, $3, $4, $5, $6, extract(epoch FROM clock_timestamp() - $7), $8, clock_timestamp() FROM pg_temp.ctr_run', checkpoint)
                USING finished, n_parts, figures.rows, figures.train_loss, figures.val_loss, figures.val_auc, began, sent;
        END IF;
    END LOOP;

    IF task = 'ctr_train' THEN
        EXECUTE format('SELECT %s.ctr_leave($1, $2, $3)', home) USING source, engine, home;
    END IF;
    -- A model that a table has is not also the result, which psql would print.
    IF checkpoint IS NULL AND is_empty IS NOT TRUE THEN
        EXECUTE format('SELECT r.model FROM pg_temp.%I r', CASE WHEN best_round < finished AND patience > 0 THEN 'ctr_best' ELSE 'ctr_run' END) INTO model;
    END IF;
    EXECUTE format('SELECT %s.ctr_forget()', home);
    COMMIT;                        -- gives the caller's search path back
END $$;
COMMENT ON PROCEDURE ctr_train_distributed(pg_catalog.regclass, pg_catalog.jsonb, ctr_model, integer, pg_catalog.text, double precision, integer, pg_catalog.regclass) IS
    'Trains one model on the parts of a table, each where it lies: prepares them, unless a model to go on from is given, then in each round trains each part from the common model and merges them, with momentum over the rounds where that is given. Commits after each round, so it cannot run in a transaction block. checkpoint: a table OF ctr_round, which gets a row for each round; called again with it, the training goes on after the last one. Without it the model is the result; stopped by patience, that of the best round.';

CREATE FUNCTION ctr_evaluate_distributed(source pg_catalog.regclass, model ctr_model, engine pg_catalog.text DEFAULT 'auto') RETURNS ctr_evaluation
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    home pg_catalog.text := (SELECT typnamespace::regnamespace FROM pg_type WHERE oid = pg_typeof(model));
    evaluation record;
BEGIN
    IF source IS NULL OR model IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT %s.ctr_forget()', home);
    CREATE TEMPORARY TABLE ctr_run AS SELECT model;
    EXECUTE format('SELECT %s.ctr_on_parts($1, $2, ''ctr_evaluate_part'', NULL, $3)', home) USING source, engine, home;
    EXECUTE format('SELECT (e).* FROM (SELECT %s.ctr_evaluate_merge(part) AS e FROM pg_temp.ctr_results OFFSET 0) m', home) INTO evaluation;
    EXECUTE format('SELECT %s.ctr_forget()', home);
    RETURN evaluation;
END $$;
COMMENT ON FUNCTION ctr_evaluate_distributed(pg_catalog.regclass, ctr_model, pg_catalog.text) IS
    'As ctr_evaluate over all rows of a table, where each part of it is evaluated on the server that has it; exact.';

CREATE FUNCTION ctr_fdw_setup(source pg_catalog.regclass, OUT server pg_catalog.text, OUT statements pg_catalog.text)
    RETURNS SETOF pg_catalog.record
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here pg_catalog.text := '';
    part record;
BEGIN
    FOR part IN
        SELECT c.relname, n.nspname, s.srvname, coalesce(o.schema_name, n.nspname) AS far_schema, coalesce(o.table_name, c.relname) AS far_table,
            format('(SELECT %s FROM %I.%I) c', a.columns, coalesce(o.schema_name, n.nspname), coalesce(o.table_name, c.relname)) AS rows
        FROM (SELECT relid FROM pg_partition_tree(source) WHERE isleaf
              UNION ALL SELECT source WHERE NOT EXISTS (SELECT FROM pg_partition_tree(source))) t
        JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_foreign_table f ON f.ftrelid = c.oid JOIN pg_foreign_server s ON s.oid = f.ftserver
        JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'postgres_fdw',
        LATERAL (SELECT max(option_value) FILTER (WHERE option_name = 'schema_name') AS schema_name,
                        max(option_value) FILTER (WHERE option_name = 'table_name') AS table_name FROM pg_options_to_table(f.ftoptions)) o,
        -- the columns by the names and in the order of the whole, from those that they have there
        LATERAL (SELECT string_agg(format('%I AS %I', coalesce((SELECT option_value FROM pg_options_to_table(mine.attfdwoptions) WHERE option_name = 'column_name'),
                        mine.attname), whole.attname), ', ' ORDER BY whole.attnum) AS columns
                 FROM pg_attribute whole JOIN pg_attribute mine ON mine.attrelid = c.oid AND mine.attname = whole.attname
                 WHERE whole.attrelid = source AND whole.attnum > 0 AND NOT whole.attisdropped) a
        ORDER BY s.srvname, c.relname
    LOOP
        IF octet_length(part.relname) > 53 THEN
            RAISE EXCEPTION USING ERRCODE = 'name_too_long', MESSAGE = format('name "%s" of a part is too long', part.relname),
                DETAIL = 'With "_ctr_state" it would pass 63 bytes.';
        END IF;
        -- The state is no UNLOGGED table: PostgreSQL cannot recover from a crash soon after TRUNCATE of one was rolled back.
        server := part.srvname;
        statements := format(
E'CREATE EXTENSION IF NOT EXISTS ctr;
CREATE TABLE %1$I.%2$I (base boolean, options jsonb, part integer, bytes bytea);
ALTER TABLE %1$I.%2$I ALTER bytes SET STORAGE EXTERNAL;
CREATE VIEW %1$I.%3$I AS
    WITH given AS (
        SELECT options, coalesce(ctr_apply(base, changes), base) AS model
        FROM (SELECT (array_agg(options) FILTER (WHERE NOT base))[1] AS options, ctr_from_chunks(part, bytes) FILTER (WHERE base AND part > 0) AS base,
                string_agg(bytes, '''' ORDER BY part) FILTER (WHERE NOT base) AS changes
            FROM %1$I.%2$I HAVING bool_or(NOT base)) s)
    SELECT ''ctr_prepare'' AS task, k.part, k.bytes FROM given g, ctr_chunks((SELECT ctr_prepare(c.*, g.options, g.model) FROM %4$s), 1048576) k
    UNION ALL SELECT ''ctr_train'', n, substr(t.changes, (n - 1) * 1048576 + 1, 1048576)
    FROM given g, LATERAL (SELECT ctr_changes(ctr_train(c.*, g.options, g.model), g.model) AS changes FROM %4$s OFFSET 0) t,
        generate_series(1, (octet_length(t.changes) + 1048575) / 1048576) n
    UNION ALL SELECT ''ctr_evaluate_part'', 1, (SELECT ctr_evaluate_part(g.model, c.*) FROM %4$s) FROM given g;\n',
            part.far_schema, part.relname || '_ctr_state', part.relname || '_ctr_work', part.rows);
        here := here || format(
E'CREATE FOREIGN TABLE %1$I.%2$I (base boolean, options jsonb, part integer, bytes bytea)
    SERVER %4$I OPTIONS (schema_name %5$L, table_name %2$L);
CREATE FOREIGN TABLE %1$I.%3$I (task text, part integer, bytes bytea)
    SERVER %4$I OPTIONS (schema_name %5$L, table_name %3$L, async_capable ''true'', fetch_size ''1'');\n',
            part.nspname, part.relname || '_ctr_state', part.relname || '_ctr_work', part.srvname, part.far_schema);
        RETURN NEXT;
    END LOOP;
    IF here = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('no part of %s is a foreign table of postgres_fdw', source);
    END IF;
    server := NULL;
    statements := here;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION ctr_fdw_setup(pg_catalog.regclass) IS
    'The statements that make ready what training on other servers needs: one row for each part of a table that is a foreign table of postgres_fdw, to run on its server, and last a row with server NULL, to run here.';
