-- extension_catalog(extension): what the catalogs hold of an extension and its objects, as lines of object, column and value. OIDs
-- are written as the names of what they stand for, so that two databases with equal extensions have equal lines.

-- The objects of the extension, and what belongs to them: types of arrays, members of operator classes, columns' classes.
CREATE FUNCTION extension_members(extension name) RETURNS TABLE (class regclass, id oid) LANGUAGE sql AS $$
    WITH RECURSIVE members (class, id) AS (
        SELECT 'pg_extension'::regclass::oid, oid FROM pg_extension WHERE extname = extension
        UNION
        SELECT classid, objid FROM members JOIN pg_depend ON refclassid = class AND refobjid = id AND deptype IN ('e', 'i', 'a'))
    SELECT class, id FROM members $$;

-- How a column of a catalog is written: SQL over the catalog's row t.
CREATE FUNCTION column_text(catalog regclass, attribute name, type regtype) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(
        (SELECT format(CASE WHEN is_array
                       THEN '(SELECT string_agg((pg_identify_object(%L::regclass, o, 0)).identity, '', '' ORDER BY n)
                              FROM unnest(t.%I::oid[]) WITH ORDINALITY AS u (o, n))'
                       ELSE 'CASE t.%2$I::oid WHEN 0 THEN NULL ELSE (pg_identify_object(%1$L::regclass, t.%2$I::oid, 0)).identity END'
                       END, pktable, attribute)
         FROM pg_get_catalog_foreign_keys() WHERE fktable = catalog AND fkcols = ARRAY[attribute::text]),
        CASE WHEN attribute = 'prosqlbody' THEN 'pg_get_function_sqlbody(t.oid)'
             WHEN attribute = 'ev_action' THEN 'pg_get_ruledef(t.oid)'
             WHEN type = 'pg_node_tree'::regtype THEN format('pg_get_expr(t.%I, 0)', attribute)
             ELSE format('t.%I::text', attribute) END) $$;

-- Left out are OIDs, and columns' options, where some releases of PostgreSQL note a number that is new with every type.
-- The lines of one catalog, whose column key says to which member of which class a row belongs, and whose column part, where there
-- is one, to which column of it.
CREATE FUNCTION catalog_lines(extension name, catalog regclass, key name, key_class regclass, part text DEFAULT '0') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE (
        SELECT format('SELECT concat(%L, '' of '', o.type, '' '', o.identity, '': '', v.name, '' = '', v.value)
                       FROM %1$s t JOIN extension_members(%L) m ON m.class = %L::regclass AND m.id = t.%I,
                       pg_identify_object(m.class, m.id, %s) o,
                       LATERAL (VALUES %s) v (name, value)', catalog, extension, key_class, key, part,
                      string_agg(format('(%L, %s)', attname, column_text(catalog, attname, atttypid)), ', '))
        FROM pg_attribute WHERE attrelid = catalog AND attnum > 0 AND attname NOT IN ('oid', 'attoptions'));
END $$;

CREATE FUNCTION extension_catalog(extension name) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT catalog_lines(extension, class, 'oid', class) FROM (SELECT DISTINCT class FROM extension_members(extension)) c
    UNION ALL SELECT catalog_lines(extension, 'pg_aggregate', 'aggfnoid', 'pg_proc')
    UNION ALL SELECT catalog_lines(extension, 'pg_attribute', 'attrelid', 'pg_class', 't.attnum')
    UNION ALL
    SELECT concat('comment on ', o.type, ' ', o.identity, ': ', description)
    FROM extension_members(extension) JOIN pg_description ON classoid = class AND objoid = id, pg_identify_object(classoid, objoid, objsubid) o
    UNION ALL
    SELECT concat('initial rights on ', o.type, ' ', o.identity, ': ', initprivs)
    FROM extension_members(extension) JOIN pg_init_privs ON classoid = class AND objoid = id, pg_identify_object(classoid, objoid, objsubid) o
    UNION ALL
    SELECT concat('dependency of ', o.type, ' ', o.identity, ': ', deptype, ' on ', r.type, ' ', r.identity)
    FROM extension_members(extension) JOIN pg_depend ON classid = class AND objid = id, pg_identify_object(classid, objid, objsubid) o,
         pg_identify_object(refclassid, refobjid, refobjsubid) r $$;
