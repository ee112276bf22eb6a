-- EXECUTE on ctr_predict alone decides who may score by columns, and it is the role that runs a plan that
-- needs it
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;

BEGIN;
CREATE TABLE facts AS
SELECT i AS id, (i % 3 = 0)::int AS label, i % 7 AS price, 'c' || i % 5 AS city
FROM generate_series(1, 200) i;
CREATE TABLE made AS SELECT ctr_train(f, ctr_fit(epochs => 1, ignore => '{id}')) AS model FROM facts f;
CREATE ROLE ctr_may;
CREATE ROLE ctr_may_not;
GRANT SELECT ON facts, made TO ctr_may, ctr_may_not;
REVOKE EXECUTE ON FUNCTION ctr_predict, ctr_predict_classes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ctr_predict, ctr_predict_classes TO ctr_may;

-- what a role gets from a statement: its result or the error
CREATE FUNCTION as_role(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', who);
    EXECUTE statement INTO result;
    RESET ROLE;
    RETURN result;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN SQLERRM;
END $$;
CREATE FUNCTION plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) ' || query INTO plan;
    RETURN plan::text;
END $$;

-- a plan made by one role, run by another: by columns as by rows
SET LOCAL plan_cache_mode = force_generic_plan;
CREATE TABLE statements (name text, statement text);
INSERT INTO statements VALUES
    ('columns', 'SELECT count(ctr_predict(model, f)) FROM made, facts f'),
    ('classes', 'SELECT count(ctr_predict_classes(model, f)) FROM made, facts f'),
    ('rows', 'SELECT count(ctr_predict(model, (SELECT f))) FROM made, facts f');
CREATE FUNCTION plans_of_roles()
RETURNS TABLE (name text, planned_by name, superuser text, may text, may_not text) LANGUAGE plpgsql AS $$
DECLARE statement text;
BEGIN
    FOR name, statement, planned_by IN SELECT s.*, r
                                       FROM statements s, unnest('{ctr_may,ctr_may_not}'::name[]) r
                                       ORDER BY 1, 3 LOOP
        EXECUTE 'PREPARE planned AS ' || statement;
        PERFORM as_role(planned_by, 'EXPLAIN EXECUTE planned');
        superuser := as_role(session_user, 'EXECUTE planned');
        may := as_role('ctr_may', 'EXECUTE planned');
        may_not := as_role('ctr_may_not', 'EXECUTE planned');
        DEALLOCATE planned;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM plans_of_roles();
SELECT name, plan_of(statement) LIKE '%_columns(%' AS by_columns,
       as_role('ctr_may_not', format('SELECT plan_of(%L)', statement)) LIKE '%_columns(%'
           AS by_columns_of_may_not FROM statements ORDER BY 1;

-- functions that keep their plans, and a view: the role that runs the query counts, not the one that owns
-- the view
CREATE FUNCTION as_definer() RETURNS bigint SECURITY DEFINER LANGUAGE plpgsql
AS $$ BEGIN RETURN (SELECT count(ctr_predict(model, f)) FROM made, facts f); END $$;
CREATE FUNCTION as_invoker() RETURNS bigint LANGUAGE plpgsql
AS $$ BEGIN RETURN (SELECT count(ctr_predict(model, f)) FROM made, facts f); END $$;
CREATE VIEW scored AS SELECT ctr_predict(model, f) AS p FROM made, facts f;
GRANT SELECT ON scored TO ctr_may, ctr_may_not;
SELECT statement, as_role('ctr_may', statement) AS may, as_role('ctr_may_not', statement) AS may_not,
       as_role('ctr_may', statement) AS may_again
FROM unnest('{SELECT as_definer(),SELECT as_invoker(),SELECT count(p) FROM scored}'::text[]) statement;
ALTER FUNCTION as_definer() OWNER TO ctr_may_not;
SELECT as_role('ctr_may', 'SELECT as_definer()') AS definer_may_not;

-- by columns the right is asked for at the first row, by rows, as PostgreSQL does, when the query starts:
-- who fetches from a definer's cursor needs it
CREATE FUNCTION opened(query text) RETURNS refcursor SECURITY DEFINER LANGUAGE plpgsql
AS $$ DECLARE c refcursor := 'scores'; BEGIN OPEN c FOR EXECUTE query; RETURN c; END $$;
SELECT opened(statement) FROM statements WHERE name = 'columns';
SELECT as_role('ctr_may_not', 'FETCH scores') AS by_columns;
CLOSE scores;
SELECT opened(statement) FROM statements WHERE name = 'columns';
SELECT as_role('ctr_may', 'FETCH scores') AS by_columns;
CLOSE scores;
SELECT opened(statement) FROM statements WHERE name = 'rows';
SELECT as_role('ctr_may_not', 'FETCH scores') AS by_rows;
CLOSE scores;

-- by hand
SELECT as_role(r, 'SELECT count(ctr_predict_columns(model, ''facts'', 1, 0, 3, ''c1''::text)) '
                  'FROM made') AS by_hand FROM unnest('{ctr_may,ctr_may_not}'::name[]) r;

-- without the right to the other function nothing is rewritten, and plans that were are made again
PREPARE planned AS SELECT count(ctr_predict(model, f)) FROM made, facts f;
SELECT as_role('ctr_may', 'EXECUTE planned') AS before;
REVOKE EXECUTE ON FUNCTION ctr_predict_columns FROM PUBLIC;
SELECT as_role('ctr_may', 'EXECUTE planned') AS after, plan_of(statement) LIKE '%_columns(%' AS by_columns
FROM statements WHERE name = 'columns';
GRANT EXECUTE ON FUNCTION ctr_predict_columns TO PUBLIC;
SELECT as_role('ctr_may', 'EXECUTE planned') AS again, plan_of(statement) LIKE '%_columns(%' AS by_columns
FROM statements WHERE name = 'columns';
DEALLOCATE planned;
ROLLBACK;
