
-- ------------------------------------------------------------------ Citus

/*
 * The parts of a distributed table of Citus are its shards, each worked on by the server that has it. Citus' master_run_on_worker gives
 * commands to servers, all at once, over connections of their own: a server commits what it is told, whatever becomes of the transaction
 * here, and answers with one text. So the model goes in chunks into a table that each server makes beside the shards; what it makes of
 * its shards lies there, too, until it is fetched, in chunks and of one shard of each server at a time; then the table is dropped.
 *
 * Nothing of Citus is needed before it is called: PL/pgSQL looks for it only then.
 */

CREATE FUNCTION ctr_scratch(scratch pg_catalog.text, is_wanted boolean) RETURNS pg_catalog.void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = error AS $$
BEGIN
    -- Who still works there does so for a training that has ended.
    PERFORM pg_cancel_backend(pid) FROM pg_locks
    WHERE relation = to_regclass(scratch) AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid();
    EXECUTE format('DROP TABLE IF EXISTS %s', scratch);
    IF is_wanted THEN
        EXECUTE format('CREATE UNLOGGED TABLE %s (shard integer, part integer, bytes bytea)', scratch);
        EXECUTE format('ALTER TABLE %s ALTER bytes SET STORAGE EXTERNAL', scratch);
    END IF;
END $$;
COMMENT ON FUNCTION ctr_scratch(pg_catalog.text, boolean) IS
    'Drops the table that a server with shards has for ctr_train_distributed, and makes it anew where it is wanted.';

CREATE FUNCTION ctr_work_on_shards(scratch pg_catalog.text, task pg_catalog.text, numbers integer[], names pg_catalog.text[], rows pg_catalog.text[],
    options pg_catalog.jsonb, size integer, threads integer, home pg_catalog.text) RETURNS pg_catalog.jsonb
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    given CONSTANT pg_catalog.text := '(SELECT model FROM given)';
    call CONSTANT pg_catalog.text := CASE task WHEN 'ctr_evaluate_part' THEN format('%s.ctr_evaluate_part(%s, (c.*)::pg_catalog.record)', home, given)
        WHEN 'ctr_train' THEN format('%1$s.ctr_changes(%1$s.ctr_train((c.*)::pg_catalog.record, $2, %2$s), %2$s)', home, given)
        ELSE format('%s.ctr_prepare((c.*)::pg_catalog.record, $2, %s)::bytea', home, given) END;
    chunks pg_catalog.jsonb := '{}';
    n integer;
    i integer := 1;
    state pg_catalog.text; problem pg_catalog.text; details pg_catalog.text; advice pg_catalog.text;
BEGIN
    IF threads IS NOT NULL THEN
        PERFORM set_config('ctr.threads', threads::text, true);
    END IF;
    WHILE i <= cardinality(numbers) LOOP
        EXECUTE format('INSERT INTO %1$s (shard, part, bytes)
            WITH given AS MATERIALIZED (SELECT %2$s.ctr_from_chunks(part, bytes) AS model FROM %1$s WHERE shard IS NULL)
            SELECT $1, k, substr(bytes, 1 + (k - 1) * $3, $3)
            FROM (SELECT %3$s AS bytes FROM %4$s c OFFSET 0) made, generate_series(1, ceil(octet_length(bytes) / $3::float8)::integer) k',
            scratch, home, call, rows[i]) USING numbers[i], options, size;
        GET DIAGNOSTICS n = ROW_COUNT;
        chunks := chunks || jsonb_build_object(numbers[i], n);
        i := i + 1;
    END LOOP;
    RETURN chunks;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, problem = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
    RETURN jsonb_build_object('part', names[i], 'state', state, 'problem', problem, 'details', details, 'advice', advice);
END $$;
COMMENT ON FUNCTION ctr_work_on_shards(pg_catalog.text, pg_catalog.text, integer[], pg_catalog.text[], pg_catalog.text[], pg_catalog.jsonb, integer, integer, pg_catalog.text) IS
    'What a server does for ctr_train_distributed with shards, one after the other: ctr_prepare, ctr_train or ctr_evaluate_part, from the model in its table, into which go the results. Gives the number of chunks by the shard''s number; or an error, and the shard that had it.';

CREATE FUNCTION ctr_ask(nodes pg_catalog.text[], ports integer[], parts pg_catalog.text[], commands pg_catalog.text[]) RETURNS SETOF pg_catalog.text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    answer record;
    problem pg_catalog.jsonb;
BEGIN
    FOR answer IN SELECT * FROM master_run_on_worker(nodes, ports,
        CASE cardinality(commands) WHEN 1 THEN array_fill(commands[1], ARRAY[cardinality(nodes)]) ELSE commands END, true) WITH ORDINALITY LOOP
        IF NOT answer.success THEN
            -- A connection that was lost may be made again; an error of SQL, whose SQLSTATE is not told, would be the same.
            problem := jsonb_build_object('part', parts[answer.ordinality], 'problem', regexp_replace(btrim(answer.result, E' \n'), '^ERROR: +', ''),
                'state', CASE WHEN answer.result ~ '^ *ERROR:' THEN '38000' ELSE '08006' END);
        ELSIF answer.result LIKE '{%"problem"%' THEN
            problem := answer.result;
        END IF;
        IF problem IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = problem->>'state', DETAIL = coalesce(problem->>'details', ''), HINT = coalesce(problem->>'advice', ''),
                MESSAGE = format('part %s on %s:%s: %s', problem->>'part', nodes[answer.ordinality], ports[answer.ordinality], problem->>'problem');
        END IF;
        RETURN NEXT answer.result;
    END LOOP;
END $$;
COMMENT ON FUNCTION ctr_ask(pg_catalog.text[], integer[], pg_catalog.text[], pg_catalog.text[]) IS
    'What servers of Citus answer to commands, one for each or one for all, which run at once. An error names the part that it is about.';

CREATE FUNCTION ctr_fetch_shards(scratch pg_catalog.text, home pg_catalog.text) RETURNS pg_catalog.void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wave record;
BEGIN
    FOR wave IN
        SELECT k.part, array_agg(s.number) AS numbers, array_agg(s.node) AS nodes, array_agg(s.port) AS ports, array_agg(s.shard) AS shards,
            array_agg(format('SELECT encode(bytes, ''base64'') FROM %s WHERE shard = %s AND part = %s', scratch, s.number, k.part)) AS commands
        FROM pg_temp.ctr_shards s, LATERAL generate_series(1, s.chunks) k(part) GROUP BY s.nth, k.part ORDER BY s.nth, k.part
    LOOP
        EXECUTE format('INSERT INTO pg_temp.ctr_received (source, part, bytes)
            SELECT ($1)[n], $2, decode(answer, ''base64'') FROM %s.ctr_ask($3, $4, $5, $6) WITH ORDINALITY a(answer, n)', home)
            USING wave.numbers, wave.part, wave.nodes, wave.ports, wave.shards, wave.commands;
    END LOOP;
END $$;
COMMENT ON FUNCTION ctr_fetch_shards(pg_catalog.text, pg_catalog.text) IS
    'Fetches what servers made of the shards in the temporary table ctr_shards into the temporary table ctr_received.';

CREATE FUNCTION ctr_on_shards(source pg_catalog.regclass, task pg_catalog.text, options pg_catalog.jsonb, home pg_catalog.text, OUT sent bigint)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    scratch CONSTANT pg_catalog.text := (SELECT format('%I.%I', n.nspname, concat_ws('_', 'ctr_scratch', g.groupid, c.oid))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_dist_local_group g WHERE c.oid = source);
    clear CONSTANT pg_catalog.text := format('SELECT %s.ctr_scratch(%L, ', home, scratch);
    ask CONSTANT pg_catalog.text := format('SELECT answer FROM %s.ctr_ask($1, $2, $3, $4) answer', home);
    -- As many shards of a server at once as Citus would give it tasks.
    at_once CONSTANT integer := current_setting('citus.max_adaptive_executor_pool_size');
    size integer;                  -- bytes of a chunk, of which all servers get and give one at a time
    servers record;
    lanes record;
    chunk record;
    answer pg_catalog.text;
    is_ours boolean := false;      -- the table of that name on the servers
BEGIN
    SELECT array_agg(node) AS nodes, array_agg(port) AS ports, array_agg(parts) AS parts, count(*)::integer AS number INTO servers
    FROM (SELECT node, port, concat(min(shard), ' and ' || nullif(count(*) - 1, 0) || ' more') AS parts FROM pg_temp.ctr_shards GROUP BY node, port) s;
    size := least(2097152, 33554432 / servers.number);
    SELECT array_agg(node) AS nodes, array_agg(port) AS ports, array_agg(parts) AS parts, array_agg(l.command) AS commands INTO lanes
    FROM (SELECT node, port, concat(min(shard), ' and ' || nullif(count(*) - 1, 0) || ' more') AS parts,
              format('SELECT %s.ctr_work_on_shards(%L, %L, %L, %L, %L, %L, %L, %L, %L)', home, scratch, task, array_agg(number), array_agg(shard), array_agg(rows), options, size,
                  -- A shard that is alone on its server has all threads; of several, each has one.
                  CASE WHEN at_once > 1 AND max(fellows) > 1 THEN 1 END, home) AS command
          FROM (SELECT *, count(*) OVER (PARTITION BY node, port) AS fellows FROM pg_temp.ctr_shards) s GROUP BY node, port, nth % at_once) l;

    -- One training at a time has the table of that name on the servers.
    PERFORM pg_advisory_xact_lock(hashtextextended(scratch, 0));
    is_ours := true;
    EXECUTE ask USING servers.nodes, servers.ports, servers.parts, ARRAY[clear || 'true)'];
    -- From a table, because a loop over the chunks themselves would read some dozens of them ahead.
    EXECUTE format('INSERT INTO pg_temp.ctr_received (part, bytes) SELECT part, bytes FROM pg_temp.ctr_run, %s.ctr_chunks(model, $1)', home) USING size;
    FOR chunk IN SELECT part, bytes FROM pg_temp.ctr_received LOOP
        EXECUTE ask USING servers.nodes, servers.ports, servers.parts,
            ARRAY[format('INSERT INTO %s (part, bytes) VALUES (%s, decode(%L, ''base64''))', scratch, chunk.part, encode(chunk.bytes, 'base64'))];
    END LOOP;
    sent := (SELECT coalesce(sum(octet_length(bytes)), 0) FROM pg_temp.ctr_received) * servers.number;
    TRUNCATE pg_temp.ctr_received;
    FOR answer IN EXECUTE ask USING lanes.nodes, lanes.ports, lanes.parts, lanes.commands LOOP
        UPDATE pg_temp.ctr_shards SET chunks = (answer::jsonb->>number::text)::integer WHERE answer::jsonb ? number::text;
    END LOOP;
    EXECUTE format('SELECT %s.ctr_fetch_shards($1, $2)', home) USING scratch, home;
    -- base64 makes four bytes of three
    sent := (sent + (SELECT coalesce(sum(octet_length(bytes)), 0) FROM pg_temp.ctr_received)) * 4 / 3;
    EXECUTE ask USING servers.nodes, servers.ports, servers.parts, ARRAY[clear || 'false)'];
EXCEPTION WHEN OTHERS OR query_canceled THEN
    -- What servers have done is not undone with our transaction, and what they are doing would go on to its end. The lock is gone with what
    -- failed; who has it now has cleared what was ours.
    IF is_ours AND pg_try_advisory_xact_lock(hashtextextended(scratch, 0)) THEN
        PERFORM success FROM master_run_on_worker(servers.nodes, servers.ports, array_fill(clear || 'false)', ARRAY[servers.number]), true);
    END IF;
    RAISE;
END $$;
COMMENT ON FUNCTION ctr_on_shards(pg_catalog.regclass, pg_catalog.text, pg_catalog.jsonb, pg_catalog.text) IS
    'As ctr_on_parts over the shards of a table that Citus distributes, which are in the temporary table ctr_shards; what servers make of them is in the temporary table ctr_received. Tells how many bytes went between servers.';
