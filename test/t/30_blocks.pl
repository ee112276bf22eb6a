# Plain ctr_predict scored in blocks gives what it gives row by row, each row put together and taken apart again: random
# statements of many forms (Statements.pm), run both ways, and what a LIMIT, a cursor, errors and volatile neighbours can see.
# CTR_STATEMENTS=number: how many, instead of 400.
use strict;
use warnings;
use CtrTest;
use List::Util qw(max);
use Statements;
use Test::More;

my $n = $ENV{CTR_STATEMENTS} // 400;
my $seed = $ENV{CTR_SEED} // time() ^ $$;
srand($seed);
diag("CTR_SEED=$seed");

# Few rows, because some statements score them all for each of them, whose scores lie apart: 1e-6 of rounding moves none of them across a threshold or past another.
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
        AND abs(c * 2000 - round(c * 2000)) < 0.3 GROUP BY round(a * 2000)) f USING (id) ORDER BY id LIMIT 240;
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
CREATE FUNCTION of_model(model ctr_model, above float8) RETURNS TABLE (id int, p float8) LANGUAGE sql STABLE
    AS 'SELECT c.id, ctr_predict($1, c) FROM t c WHERE ctr_predict($1, c) > $2';
CREATE TABLE secured AS SELECT * FROM t;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
DROP ROLE IF EXISTS ctr_reader;
CREATE ROLE ctr_reader;
CREATE POLICY cheap ON secured TO ctr_reader USING (price < 900 AND city <> 'c3');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ctr_reader;
GRANT INSERT ON scores TO ctr_reader;
-- ctr_predict as it is without help from the planner
CREATE SCHEMA plain;
GRANT USAGE ON SCHEMA plain TO ctr_reader;
DO $$
DECLARE definition text;
BEGIN
    FOR definition IN SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'ctr_predict' LOOP
        EXECUTE regexp_replace(replace(definition, 'FUNCTION public.', 'FUNCTION plain.'), ' SUPPORT \S+', '');
    END LOOP;
END $$;
ANALYZE;});
my ($rows) = query('SELECT count(*) FROM t');
cmp_ok($rows, '>', 200, 'there are rows whose scores lie apart');

# ------------------------------------------------------------------ statements

my @settings = map { "enable_$_" } qw(seqscan indexscan bitmapscan hashjoin mergejoin nestloop hashagg sort material memoize partitionwise_join
    partitionwise_aggregate);

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
    $sql .= "SET search_path = plain, public;\n" if $mode eq 'off';
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
        push @different, "$settings\n$statements[$i - 1]\n--- in blocks\n$on[$i]--- row by row\n$off[$i]" unless same($on[$i], $off[$i], !is_in_order($statements[$i - 1]));
    }
    diag("$compared compared, $in_blocks in blocks, $errors fail, @{[scalar @different]} differ") if $compared % 1000 == 0;
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

query('DROP OWNED BY ctr_reader; DROP ROLE ctr_reader');

done_testing();
