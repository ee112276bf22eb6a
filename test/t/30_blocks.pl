# Plain ctr_predict scored in blocks gives what it gives row by row: random statements of many forms, run both ways, and
# what a LIMIT, a cursor, errors and volatile neighbours can see. CTR_STATEMENTS=number: how many, instead of 400.
use strict;
use warnings;
use CtrTest;
use List::Util qw(max);
use Test::More;

my $n = $ENV{CTR_STATEMENTS} // 400;
my $seed = $ENV{CTR_SEED} // time() ^ $$;
srand($seed);
diag("CTR_SEED=$seed");

# Few rows, whose scores lie apart: 1e-6 of rounding moves none of them across a threshold or past another.
query(q{SET client_min_messages = warning;
CREATE TABLE all_rows AS
    SELECT i AS id, (i * 7919 % 100 < 5 + 2 * (i * 13 % 17) + i * 31 % 977 / 20)::int AS label, (i * 31 % 977)::float8 AS price, 'c' || i * 13 % 17 AS city,
        CASE WHEN i % 11 = 0 THEN NULL ELSE 'd' || i * 7 % 83 END AS device
    FROM generate_series(1, 8000) i;
CREATE TABLE models (name text PRIMARY KEY, model ctr_model);
INSERT INTO models SELECT 'a', ctr_train(c, ctr_fit(ignore => '{id}', epochs => 2)) FROM all_rows c;
INSERT INTO models SELECT 'b', ctr_train(c, ctr_fibinet() || ctr_fit(ignore => '{id}', epochs => 1)) FROM all_rows c;
INSERT INTO models SELECT 'c', ctr_train(c, ctr_wide_deep() || ctr_fit(ignore => '{id}', epochs => 1)) FROM all_rows c;
INSERT INTO models VALUES ('none', NULL);
SET ctr.block_scoring = off;
CREATE TABLE far AS SELECT id, ctr_predict((SELECT model FROM models WHERE name = 'a'), c) AS a,
        ctr_predict((SELECT model FROM models WHERE name = 'b'), c) AS b, ctr_predict((SELECT model FROM models WHERE name = 'c'), c) AS c
    FROM all_rows c ORDER BY id;
CREATE TABLE t AS SELECT c.* FROM all_rows c JOIN (
    SELECT min(id) AS id FROM far WHERE abs(a * 2000 - round(a * 2000)) < 0.3 AND abs(b * 2000 - round(b * 2000)) < 0.3
        AND abs(c * 2000 - round(c * 2000)) < 0.3 GROUP BY round(a * 2000)) f USING (id) ORDER BY id LIMIT 700;
CREATE VIEW v AS SELECT id + 0 AS id, label, price, upper(lower(city)) AS city, coalesce(device, NULL) AS device FROM t;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM t WHERE price > 5;
CREATE TABLE parts (LIKE t) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (2000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (2000) TO (5000);
CREATE TABLE parts_3 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT * FROM t;
CREATE TABLE scores (id int, p float8, note text);
CREATE INDEX ON t (id);
CREATE INDEX ON t (city, price);
CREATE FUNCTION rows_of(text) RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM t WHERE city < $1';
CREATE FUNCTION noted(float8) RETURNS float8 LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1 + 1; END';
ANALYZE;});
my ($rows) = query('SELECT count(*) FROM t');
cmp_ok($rows, '>', 200, 'there are rows whose scores lie apart');

# ------------------------------------------------------------------ statements

sub one_of { return $_[ int rand @_ ] }
sub maybe { my ($share, $text) = @_; return rand() < $share ? $text : '' }

my @model = map { "(SELECT model FROM models WHERE name = '$_')" } qw(a a a b c none);
my @source = ('t c', 'v c', 'parts c', 'barrier c', '(SELECT * FROM t OFFSET 0) c', '(SELECT * FROM t ORDER BY price, id) c', q{rows_of('c5') c},
    '(SELECT id, label, price + 1 AS price, city, device FROM t) c', '(SELECT * FROM t UNION ALL SELECT * FROM v) c',
    't c TABLESAMPLE BERNOULLI (100)', 'LATERAL (SELECT x.* FROM t x WHERE x.id % 3 > 0) c');
my @joined = ('t c CROSS JOIN models m', 't c JOIN models m ON m.name < c.city', 'models m, LATERAL (SELECT * FROM t WHERE price > length(m.name)) c',
    'models m LEFT JOIN t c ON c.label = length(m.name) - 1', 't c JOIN parts d USING (id) JOIN models m ON m.name = chr(97 + c.id % 2)',
    't c JOIN models m ON true');

# a threshold that no score is near
sub threshold { return (1 + int rand 1500) * 0.0005 + 0.00025 }

sub condition
{
    my ($p) = @_;
    my $t = threshold();
    return one_of("$p > $t", "$p < $t", "NOT $p > $t", "$p BETWEEN $t AND 0.6", "c.price > 300 AND $p > $t", "c.price > 700 OR $p > $t",
        "$p > $t AND c.price < 800", "c.id IN (SELECT id FROM scores) OR $p > $t", 'c.price < 500', "EXISTS (SELECT FROM t e WHERE e.id = c.id + 1) AND $p > $t",
        "CASE WHEN c.label = 1 THEN $p > $t ELSE c.price > 100 END", "coalesce($p, 0) > $t", 'c.city > (SELECT min(city) FROM t)');
}

sub target
{
    my ($p, $q) = @_;
    return one_of($p, "$p + 1", "coalesce($p, -1)", "CASE WHEN c.label = 1 THEN $p END", "$p, $q", "$p - $q", "ARRAY[$p, $q]", "noted($p)",
        "c.price, $p, c.city", "(SELECT count(*) FROM models WHERE length(name) > $p)", "ROW($p, c.id)", "greatest($p, 0.2)", "c, $p");
}

my $in_order = '/* in order */';

sub select_in_order
{
    for (;;) {
        my $select = select_rows();
        return $select if $select =~ /\Q$in_order\E$/;
    }
}

sub select_rows
{
    my $join = rand() < 0.3;
    my $from = $join ? one_of(@joined) : one_of(@source);
    my ($p, $q) = map { 'ctr_predict(' . ($join && rand() < 0.8 ? 'm.model' : one_of(@model)) . ', c)' } 1, 2;
    my $key = $join ? 'c.id, m.name' : 'c.id';
    my $where = maybe(0.6, 'WHERE ' . condition($p) . maybe(0.3, ' AND ' . condition($q)));
    my $order = one_of("ORDER BY $p DESC NULLS LAST, $key", "ORDER BY $key", "ORDER BY c.price, $p, $key");
    my $limit = maybe(0.4, ' LIMIT ' . int(rand 60) . maybe(0.3, ' OFFSET ' . int rand 30));
    return one_of(
        "SELECT $key, @{[target($p, $q)]} FROM $from $where $order$limit $in_order",
        "SELECT $key, @{[target($p, $q)]} FROM $from $where",
        "SELECT @{[one_of(qw(sum avg max min count))]}($p), count(*) FILTER (WHERE @{[condition($p)]}) FROM $from $where",
        "SELECT c.city, avg($p), count(*) FROM $from $where GROUP BY c.city" . maybe(0.3, " HAVING count($p) > 3"),
        "SELECT c.city, c.label, avg($p) FROM $from $where GROUP BY ROLLUP (c.city, c.label)",
        "SELECT DISTINCT ON (c.city) c.city, $p, $key FROM $from $where ORDER BY c.city, $p, $key $in_order",
        "SELECT $key, rank() OVER (PARTITION BY c.city ORDER BY $p, $key), $q FROM $from $where",
        "SELECT sum(p) FROM (SELECT $p AS p FROM $from $where ${order}$limit) s",
        "SELECT $key, round($p * 2000) FROM $from $where EXCEPT SELECT $key, round($p * 2000) FROM $from WHERE @{[condition($q)]}",
        "SELECT string_agg(c.id::text, ',' ORDER BY $p, $key) FROM $from $where",
        "WITH s AS MATERIALIZED (SELECT $key, $p AS p FROM $from $where) SELECT count(*), sum(s.p) FROM s, s z WHERE round(s.p * 2000) = round(z.p * 2000)",
        "SELECT l.id, l.p FROM models m2, LATERAL (SELECT c.id, ctr_predict(m2.model, c) AS p FROM t c ORDER BY 2, 1 LIMIT @{[1 + int rand 5]}) l");
}

sub statement
{
    my $p = 'ctr_predict(' . one_of(@model) . ', c)';
    my $kind = rand();
    return select_rows() if $kind < 0.75;
    my $change = one_of(
        "INSERT INTO scores SELECT c.id, $p FROM @{[one_of(@source)]} WHERE @{[condition($p)]}",
        "INSERT INTO scores SELECT c.id, $p FROM t c RETURNING id, p",
        "UPDATE t c SET price = c.price + 1 WHERE @{[condition($p)]} RETURNING c.id, $p",
        "UPDATE t c SET price = $p * 100",
        "DELETE FROM t c WHERE @{[condition($p)]} RETURNING id",
        "CREATE TABLE made AS SELECT c.id, $p AS p FROM t c WHERE @{[condition($p)]}; SELECT count(*), sum(p) FROM made");
    return "BEGIN; $change; SELECT count(*), sum(price) FROM t; SELECT count(*), sum(p) FROM scores; ROLLBACK" if $kind < 0.87;
    return "BEGIN; DECLARE k @{[one_of('', 'NO SCROLL', 'SCROLL')]} CURSOR FOR @{[select_in_order()]}; FETCH @{[int rand 9]} k; FETCH @{[int rand 99]} k;
        MOVE @{[int rand 9]} k; FETCH ALL k; ROLLBACK" if $kind < 0.94;
    return "PREPARE q(text) AS SELECT c.id, ctr_predict(m.model, c) FROM t c, models m WHERE m.name = \$1 AND @{[condition($p)]};
        EXECUTE q('a'); EXECUTE q('b'); EXECUTE q('none'); DEALLOCATE q";
}

my @settings = map { "enable_$_" } qw(seqscan indexscan bitmapscan hashjoin mergejoin nestloop hashagg sort material);

sub settings
{
    my $sql = join ' ', map { "SET $_ = " . (rand() < 0.25 ? 'off' : 'on') . ';' } @settings;
    my $parallel = rand() < 0.25 ? 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
        : 'SET parallel_setup_cost = 1e9;';
    return "$sql $parallel";
}

# What psql prints of the statements, one text each; errors too.
sub printed
{
    my ($mode, @statements) = @_;
    my $sql = "\\set ON_ERROR_STOP 0\n\\set VERBOSITY terse\n\\o /dev/null\nSELECT ctr_predict(model, c) FROM models, t c LIMIT 1;\n\\o\nSET ctr.block_scoring = $mode;\n";
    $sql .= "\\echo #\n$_;\n" for @statements;
    open my $in, '>', scratch('statements.sql') or die;
    print $in $sql;
    close $in;
    local $ENV{PGDATABASE} = $CtrTest::database;
    open my $out, '-|', "psql -X -q -A -t -f @{[scratch('statements.sql')]} 2>&1" or die;
    my (undef, @texts) = split /^#\n/m, join('', <$out>), -1;
    close $out;
    return map { s/^psql:\S+ //mgr } @texts;
}

# The same lines, numbers to 1e-5; in any order where the statement asks for none.
sub same
{
    my ($on, $off, $any_order) = @_;
    my @a = split /\n/, $on;
    my @b = split /\n/, $off;
    if ($any_order) {
        @a = sort @a;
        @b = sort @b;
    }
    return 0 if @a != @b;
    for my $i (0 .. $#a) {
        my @x = split /[|,{}()]/, $a[$i];
        my @y = split /[|,{}()]/, $b[$i];
        return 0 if @x != @y;
        for my $k (0 .. $#x) {
            next if $x[$k] eq $y[$k];
            return 0 unless $x[$k] =~ /^-?\d+(\.\d+)?(e-?\d+)?$/ and $y[$k] =~ /^-?\d+(\.\d+)?(e-?\d+)?$/;
            return 0 if abs($x[$k] - $y[$k]) > 1e-5 * max(1, abs $x[$k]);
        }
    }
    return 1;
}

my ($compared, $in_blocks, $errors, @different) = (0, 0, 0);
while ($compared < $n) {
    my $settings = settings();
    my @statements = map { statement() } 1 .. 50;
    my @on = printed('on', $settings, @statements);
    my @off = printed('off', $settings, @statements);
    my @plans = printed('on', $settings, map { /^SELECT|^WITH/ ? "EXPLAIN $_" : 'SELECT' } @statements);
    for my $i (1 .. @statements) {
        $compared++;
        $in_blocks++ if $plans[$i] =~ /CtrBlockScan/;
        $errors++ if $off[$i] =~ /ERROR/;
        push @different, "$settings\n$statements[$i - 1]\n--- in blocks\n$on[$i]--- row by row\n$off[$i]" unless same($on[$i], $off[$i], $statements[$i - 1] !~ /\Q$in_order/);
    }
    last if @different > 3;
}
is(scalar @different, 0, "$compared statements give the same") or diag(map { substr($_, 0, 3000) } @different);
cmp_ok($in_blocks, '>', $n / 4, 'a good part of them scores in blocks');
diag("$in_blocks of $compared in blocks, $errors fail");
cmp_ok($errors, '<', $n / 10, 'few of them fail');

# ------------------------------------------------------------------ beside other sessions, triggers, workers

# A row that another session has changed meanwhile is scored and judged anew.
for my $mode ('on', 'off') {
    query(q{DROP TABLE IF EXISTS stock; CREATE TABLE stock AS SELECT * FROM t;});
    my $changing = start_query("BEGIN; UPDATE stock SET price = -1, city = 'new' WHERE id % 2 = 0; SELECT pg_sleep(1); COMMIT;");
    wait_until(sub { query("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $changing->{pid}") eq 't' });
    query("SET ctr.block_scoring = $mode;
        UPDATE stock c SET device = 'scored', price = 1000 * ctr_predict((SELECT model FROM models WHERE name = 'a'), c)
        WHERE ctr_predict((SELECT model FROM models WHERE name = 'a'), c) > 0.19975");
    finish_query($changing);
    query("CREATE TABLE stock_$mode AS SELECT * FROM stock");
}
is(query(q{SELECT count(*), count(*) FILTER (WHERE (a.id, a.city, a.device) IS DISTINCT FROM (b.id, b.city, b.device) OR abs(a.price - b.price) > 1e-2)
        FROM stock_on a FULL JOIN stock_off b USING (id)}), "$rows|0", 'rows changed by another session');
cmp_ok(query(q{SELECT count(*) FROM stock_on s JOIN t c USING (id) WHERE s.city = 'new' AND s.device IS DISTINCT FROM 'scored'
        AND ctr_predict((SELECT model FROM models WHERE name = 'a'), c) > 0.19975}), '>', 0, 'some of them no longer pass');

# A trigger sees each row when it is written, and what it does to the table changes no score.
for my $mode ('on', 'off') {
    query("CREATE TABLE seen_$mode (nr serial, id int, p float8);
        CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO seen_$mode (id, p) VALUES (NEW.id, NEW.price); DELETE FROM stock WHERE id = NEW.id + 1; RETURN NEW; END';
        DROP TABLE IF EXISTS target; CREATE TABLE target (LIKE t); CREATE TRIGGER note BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION note();
        DROP TABLE IF EXISTS stock; CREATE TABLE stock AS SELECT * FROM t ORDER BY id; SET ctr.block_scoring = $mode;
        INSERT INTO target SELECT id, label, ctr_predict((SELECT model FROM models WHERE name = 'a'), c), city, device FROM stock c");
}
is(query(q{SELECT count(*), count(*) FILTER (WHERE a.id IS DISTINCT FROM b.id OR abs(a.p - b.p) > 1e-6) FROM seen_on a FULL JOIN seen_off b USING (nr)}),
    "$rows|0", 'a trigger that deletes later rows');

# Parallel workers score in blocks, too.
query('CREATE TABLE many AS SELECT c.* FROM all_rows c, generate_series(1, 10); ANALYZE many');
my $parallel = q{SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;};
my $sum = q{SELECT round(sum(ctr_predict((SELECT model FROM models WHERE name = 'b'), c))::numeric, 1) FROM many c};
like(query("$parallel EXPLAIN $sum"), qr/Gather.*Partial Aggregate.*CtrBlockScan.*Parallel Seq Scan/s, 'block scans in parallel workers');
is(query("$parallel $sum"), query("SET max_parallel_workers_per_gather = 0; SET ctr.block_scoring = off; $sum"), 'with the same sum');

# The first query of a session, whose planning loads the library, has blocks; so has its plan when it is kept.
like(query("EXPLAIN $sum"), qr/CtrBlockScan/, 'the first query of a session');
like(query(qq{PREPARE kept AS $sum; EXPLAIN EXECUTE kept; EXPLAIN EXECUTE kept;}), qr/CtrBlockScan.*CtrBlockScan/s, 'and its plan the next time');

done_testing();
