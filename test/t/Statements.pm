# Statements.pm: random statements that call ctr_predict, of many forms, over the tables of 30_blocks.pl.
package Statements;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(statement is_in_order);

sub one_of { return $_[ int rand @_ ] }
sub maybe { my ($share, $text) = @_; return rand() < $share ? $text : '' }

my @model = map { "(SELECT model FROM models WHERE name = '$_')" } qw(a a a b c none);
my @source = ('t c', 'v c', 'parts c', 'parts_2 c', 'barrier c', 'secured c', '(SELECT * FROM t OFFSET 0) c', '(SELECT * FROM t ORDER BY price, id) c', q{rows_of('c5') c},
    '(SELECT id, label, price + 1 AS price, city, device FROM t) c', '(SELECT * FROM t UNION ALL SELECT * FROM v) c', '(SELECT * FROM barrier UNION ALL SELECT * FROM parts) c',
    't c TABLESAMPLE BERNOULLI (100)', 'LATERAL (SELECT x.* FROM t x WHERE x.id % 3 > 0) c', '(SELECT * FROM t EXCEPT SELECT * FROM parts_1) c');
my @joined = ('t c CROSS JOIN models m', 't c JOIN models m ON m.name < c.city', 'models m, LATERAL (SELECT * FROM t WHERE price > length(m.name)) c',
    'models m LEFT JOIN t c ON c.label = length(m.name) - 1', 't c JOIN parts d USING (id) JOIN models m ON m.name = chr(97 + c.id % 2)',
    't c JOIN models m ON true', 'parts c JOIN parts d USING (id) CROSS JOIN models m', 'models m RIGHT JOIN barrier c ON m.name = chr(97 + c.id % 5)',
    'models m FULL JOIN secured c ON length(m.name) = c.label');

# a threshold that no score is near
sub threshold { return (1 + int rand 1500) * 0.0005 + 0.00025 }

# $p: a call of ctr_predict for a row c
sub condition
{
    my ($p) = @_;
    my $t = threshold();
    return one_of("$p > $t", "$p < $t", "NOT $p > $t", "$p BETWEEN $t AND 0.6", "c.price > 300 AND $p > $t", "c.price > 700 OR $p > $t",
        "$p > $t AND c.price < 800", "c.id IN (SELECT id FROM scores) OR $p > $t", 'c.price < 500', "EXISTS (SELECT FROM t e WHERE e.id = c.id + 1) AND $p > $t",
        "CASE WHEN c.label = 1 THEN $p > $t ELSE c.price > 100 END", "coalesce($p, 0) > $t", 'c.city > (SELECT min(city) FROM t)', sub_condition($p, $t));
}

# Conditions with a query in them that scores, too.
sub sub_condition
{
    my ($p, $t) = @_;
    my $q = one_of(@model);
    return one_of("c.id IN (SELECT e.id FROM t e WHERE ctr_predict($q, e) > $t)", "c.id NOT IN (SELECT e.id FROM parts e WHERE e.id < 99 AND ctr_predict($q, e) > $t)",
        "NOT EXISTS (SELECT FROM t e WHERE e.id = c.id AND ctr_predict($q, e) > $t)", "$p > ALL (SELECT ctr_predict($q, e) FROM t e WHERE e.id < 20 AND e.id <> c.id)",
        "round($p * 2000) = ANY (SELECT round(ctr_predict($q, e) * 2000) FROM v e WHERE e.city = c.city)", "(SELECT count(*) FROM t e WHERE e.city = c.city AND ctr_predict($q, e) > $t) > 3");
}

sub target
{
    my ($p, $q) = @_;
    return one_of($p, "$p + 1", "coalesce($p, -1)", "CASE WHEN c.label = 1 THEN $p END", "$p, $q", "$p - $q", "ARRAY[$p, $q]", "noted($p)",
        "c.price, $p, c.city", "(SELECT count(*) FROM models WHERE length(name) > $p)", "ROW($p, c.id)", "greatest($p, 0.2)", "c, $p",
        "(SELECT max(ctr_predict(n.model, c)) FROM models n)", "(SELECT avg(ctr_predict(@{[one_of(@model)]}, e)) FROM t e WHERE e.city = c.city)",
        "(SELECT $p)", "nullif($p, 0), $p IS NULL");
}

my $in_order = '/* in order */';

# Whether the statement says in which order its rows come.
sub is_in_order { return $_[0] =~ /\Q$in_order/ }

sub select_in_order
{
    for (;;) {
        my $select = select_rows();
        return $select if $select =~ /\Q$in_order\E$/;
    }
}

sub window
{
    my ($p, $key) = @_;
    my $over = "OVER (PARTITION BY @{[one_of('c.city', 'c.label', 'c.price > 400')]} ORDER BY $p, $key";
    return one_of("rank() $over)", "sum($p) $over ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)", "lag($p) $over)", "ntile(4) $over)", "first_value($p) $over)",
        "avg($p) OVER ()", "count(*) FILTER (WHERE $p > @{[threshold()]}) $over)");
}

sub select_rows
{
    my $join = rand() < 0.3;
    my $from = $join ? one_of(@joined) : one_of(@source);
    my ($p, $q) = map { 'ctr_predict(' . ($join && rand() < 0.8 ? 'm.model' : one_of(@model)) . ', c)' } 1, 2;
    my $key = $join ? 'c.id, m.name' : 'c.id';
    my $where = maybe(0.6, 'WHERE ' . condition($p) . maybe(0.3, ' AND ' . condition($q)));
    my $order = one_of("ORDER BY $p DESC NULLS LAST, $key", "ORDER BY $key", "ORDER BY c.price, $p, $key");
    my $limit = one_of('', '', ' LIMIT ' . int(rand 60) . maybe(0.3, ' OFFSET ' . int rand 30), " FETCH FIRST @{[1 + int rand 20]} ROWS WITH TIES");
    my ($set, $other) = (one_of('UNION', 'UNION ALL', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL'), condition($q));
    return one_of(
        "SELECT $key, @{[target($p, $q)]} FROM $from $where $order$limit $in_order",
        "SELECT $key, @{[target($p, $q)]} FROM $from $where",
        "SELECT @{[one_of(qw(sum avg max min count))]}($p), count(*) FILTER (WHERE @{[condition($p)]}) FROM $from $where",
        "SELECT c.city, avg($p), count(*) FROM $from $where GROUP BY c.city" . maybe(0.3, " HAVING count($p) > 3"),
        "SELECT c.city, c.label, avg($p) FROM $from $where GROUP BY @{[one_of('ROLLUP (c.city, c.label)', 'CUBE (c.city, c.label)', 'GROUPING SETS ((c.city), (c.label), ())',
            'DISTINCT ROLLUP (c.city), c.city, c.label')]}",
        "SELECT DISTINCT ON (c.city) c.city, $p, $key FROM $from $where ORDER BY c.city, $p, $key $in_order",
        "SELECT DISTINCT round($p * 2000) FROM $from $where",
        "SELECT $key, @{[window($p, $key)]}, $q FROM $from $where",
        "SELECT $key, @{[window($p, $key)]}, @{[window($q, $key)]} FROM $from $where $order$limit $in_order",
        "SELECT sum(p) FROM (SELECT $p AS p FROM $from $where ${order}$limit) s",
        "SELECT $key, round($p * 2000) FROM $from $where $set SELECT $key, round($p * 2000) FROM $from WHERE $other",
        "SELECT count(*), sum(p) FROM (SELECT $key, round($p * 2000) AS p FROM $from $where $set (SELECT $key, round($q * 2000) FROM $from $order$limit)) s",
        "SELECT string_agg(c.id::text, ',' ORDER BY $p, $key) FROM $from $where",
        "WITH s AS @{[one_of('', 'NOT ')]}MATERIALIZED (SELECT $key, $p AS p FROM $from $where) SELECT count(*), sum(s.p) FROM s, s z WHERE round(s.p * 2000) = round(z.p * 2000)",
        "WITH RECURSIVE s AS (SELECT c.id, $p AS p FROM t c WHERE id < 40 UNION ALL SELECT c.id, $q FROM s JOIN t c ON c.id = s.id + 40 WHERE s.p > @{[threshold()]}) SELECT count(*), sum(p) FROM s",
        "SELECT l.id, l.p FROM models m2, LATERAL (SELECT c.id, ctr_predict(m2.model, c) AS p FROM t c ORDER BY 2, 1 LIMIT @{[1 + int rand 5]}) l",
        "SELECT m.name, f.* FROM models m, of_model(m.model, @{[threshold()]}) f",
        "SELECT x.id, x.p FROM (SELECT c.id, $p AS p FROM $from $where) x JOIN (SELECT c.id, $q AS p FROM t c) y ON round(x.p * 2000) < round(y.p * 1000) AND x.id = y.id");
}

# ------------------------------------------------------------------ in blocks of their own

sub changing
{
    my ($p) = @_;
    my $change = one_of(
        "INSERT INTO scores SELECT c.id, $p FROM @{[one_of(@source)]} WHERE @{[condition($p)]}",
        "INSERT INTO scores SELECT c.id, $p FROM t c RETURNING id, p",
        "UPDATE t c SET price = c.price + 1 WHERE @{[condition($p)]} RETURNING c.id, $p",
        "UPDATE t c SET price = $p * 100",
        "UPDATE t c SET price = $p * 100 FROM parts d WHERE d.id = c.id AND @{[condition($p)]}",
        "UPDATE parts c SET id = c.id + 1000 WHERE @{[condition($p)]} RETURNING c.id, $p",
        "DELETE FROM t c WHERE @{[condition($p)]} RETURNING id",
        "DELETE FROM t c USING models m WHERE ctr_predict(m.model, c) > @{[threshold()]}",
        "WITH gone AS (DELETE FROM t c WHERE @{[condition($p)]} RETURNING c.*) SELECT c.id, $p FROM gone c",
        "SELECT c.id, $p FROM t c WHERE @{[condition($p)]} FOR UPDATE",
        "CREATE TABLE made AS SELECT c.id, $p AS p FROM t c WHERE @{[condition($p)]}; SELECT count(*), sum(p) FROM made",
        "CREATE MATERIALIZED VIEW made AS @{[select_alone($p)]}; REFRESH MATERIALIZED VIEW made; SELECT * FROM made");
    return "BEGIN; $change; SELECT count(*), sum(price) FROM t; SELECT count(*), sum(p) FROM scores; ROLLBACK";
}

# the columns id and p
sub select_alone
{
    my ($p) = @_;
    return "SELECT c.id, $p AS p FROM @{[one_of(@source)]} WHERE @{[condition($p)]}";
}

sub cursor
{
    my $scroll = one_of('', 'NO SCROLL', 'SCROLL');
    my $back = $scroll eq 'SCROLL' ? "FETCH BACKWARD @{[int rand 20]} k; FETCH ABSOLUTE @{[int rand 20]} k; FETCH LAST k; FETCH PRIOR k; FETCH FIRST k;" : '';
    return "BEGIN; DECLARE k $scroll CURSOR @{[one_of('', 'WITH HOLD')]} FOR @{[select_in_order()]}; FETCH @{[int rand 9]} k; FETCH @{[int rand 99]} k;
        MOVE @{[int rand 9]} k; $back FETCH ALL k; ROLLBACK" if rand() < 0.8;
    my $p = 'ctr_predict(' . one_of(@model) . ', c)';
    return "BEGIN; DECLARE k CURSOR FOR SELECT c.id, $p FROM t c WHERE @{[condition($p)]} FOR UPDATE; MOVE @{[1 + int rand 9]} k;
        UPDATE t c SET price = $p * 10 WHERE CURRENT OF k; SELECT sum(price) FROM t; ROLLBACK";
}

# A function in PL/pgSQL that queries in one of the language's ways, called twice: the second time with plans that were kept.
sub procedural
{
    my ($p) = @_;
    my $select = select_alone($p) . ' ORDER BY 1, 2';
    my $body = one_of(
        "FOR r IN $select LOOP EXIT WHEN r.p > @{[threshold()]}; id := r.id; p := r.p; RETURN NEXT; END LOOP;",
        "FOR r IN $select LOOP UPDATE t SET price = price + 1 WHERE t.id = r.id + 1; id := r.id; p := r.p; RETURN NEXT; END LOOP;",
        "RETURN QUERY $select LIMIT above * 100;",
        "RETURN QUERY EXECUTE 'SELECT c.id, ctr_predict(\$1, c) FROM t c WHERE c.price > \$2' USING (SELECT m.model FROM models m WHERE m.name = 'a'), above * 500;",
        "FOR id IN SELECT c.id FROM t c WHERE c.id < 100 LOOP SELECT $p INTO p FROM t c WHERE c.id = of_random.id; RETURN NEXT; END LOOP;",
        "OPEN k FOR $select; MOVE 3 FROM k; LOOP FETCH k INTO r; EXIT WHEN NOT FOUND; id := r.id; p := r.p; RETURN NEXT; END LOOP; CLOSE k;",
        "FOR r IN SELECT c FROM t c LOOP c := r.c; BEGIN id := c.id; p := $p / (c.id % 3); EXCEPTION WHEN division_by_zero THEN p := -1; END; RETURN NEXT; END LOOP;",
        "SELECT count(*), sum(s.p) INTO id, p FROM ($select) s; RETURN NEXT;");
    return "BEGIN; CREATE FUNCTION of_random(above float8) RETURNS TABLE (id int, p float8) LANGUAGE plpgsql AS \$\$
        #variable_conflict use_column
        DECLARE r record; c t; k refcursor; BEGIN $body END \$\$; SELECT * FROM of_random(@{[threshold()]}); SELECT * FROM of_random(@{[threshold()]}); ROLLBACK";
}

# A plan that was kept, between whose runs what it reads becomes another.
sub prepared
{
    my ($p) = @_;
    return "PREPARE q(text) AS SELECT c.id, ctr_predict(m.model, c) FROM t c, models m WHERE m.name = \$1 AND @{[condition($p)]};
        EXECUTE q('a'); EXECUTE q('b'); EXECUTE q('none'); DEALLOCATE q" if rand() < 0.3;
    my $change = one_of('ALTER TABLE t ADD COLUMN more int DEFAULT 1', 'ALTER TABLE t DROP COLUMN label', 'ALTER TABLE t ALTER price TYPE numeric', 'ALTER TABLE t ALTER price TYPE int',
        'ALTER TABLE t DROP COLUMN label, ADD COLUMN label int DEFAULT 0', 'ALTER TABLE parts DETACH PARTITION parts_2', 'DROP INDEX t_id_idx', 'ALTER TABLE t ADD PRIMARY KEY (id)',
        "UPDATE models SET model = (SELECT model FROM models WHERE name = 'c') WHERE name = 'a'", 'DELETE FROM models', 'TRUNCATE t', "INSERT INTO t SELECT id, label, price, 'new', device FROM parts_1",
        'CREATE OR REPLACE VIEW public.barrier WITH (security_barrier) AS SELECT * FROM t WHERE price > 50', 'ALTER TABLE t RENAME COLUMN device TO other', 'ANALYZE t');
    return "BEGIN; SET LOCAL plan_cache_mode = @{[one_of(qw(auto force_generic_plan force_custom_plan))]};
        PREPARE q(float8) AS SELECT s.* FROM (@{[select_alone($p)]}) s WHERE s.p > \$1; EXECUTE q(0.10025); EXECUTE q(0.20025);
        $change; EXECUTE q(0.10025); EXECUTE q(0.30025); ROLLBACK; DEALLOCATE ALL";
}

# As a role that sees a part of a table, with a function that would tell what it is given.
sub as_reader
{
    my ($p) = @_;
    my $where = one_of(condition($p), "noted(c.price) > 3 AND @{[condition($p)]}", "@{[condition($p)]} AND noted($p) > 1");
    return "SET ROLE ctr_reader; SELECT c.id, $p FROM @{[one_of('secured', 'barrier')]} c WHERE $where; SELECT count(*), sum($p) FROM secured c; RESET ROLE";
}

sub statement
{
    my $p = 'ctr_predict(' . one_of(@model) . ', c)';
    my $kind = rand();
    return select_rows() if $kind < 0.7;
    return changing($p) if $kind < 0.78;
    return cursor() if $kind < 0.84;
    return procedural($p) if $kind < 0.9;
    return prepared($p) if $kind < 0.96;
    return as_reader($p);
}

1;
