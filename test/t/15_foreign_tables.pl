# Rows of foreign tables, on a server that may run ctr's functions (extensions 'ctr'): they are scored here, with the local row
# type, and give what the same rows give in a table. The other server has a type of the same name with other columns.
use strict;
use warnings;
use CtrTest;
use Test::More;

plan skip_all => 'postgres_fdw is not installed'
  unless query(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'});

my $far = "${CtrTest::database}_far";
query("DROP DATABASE IF EXISTS $far;\nCREATE DATABASE $far;", database => 'postgres');
query(q{
    CREATE EXTENSION ctr;
    CREATE TABLE clicks AS SELECT i AS id, (i % 97 * 7 + i % 5 * 100 > 500)::int AS label, (i % 97)::float8 AS price, 'c' || i % 5 AS city FROM generate_series(1, 1000) i;
    CREATE TABLE part AS SELECT * FROM clicks WHERE id > 500;
    CREATE TYPE far_clicks AS (id float8, city int, label text, price text);
    CREATE TYPE far_part AS (id int, label int, city text, price float8);
    CREATE TYPE seen AS (price text);}, database => $far);
query(qq{
    CREATE EXTENSION postgres_fdw;
    CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$ENV{PGHOST}', port '$ENV{PGPORT}', dbname '$far', extensions 'ctr');
    CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user '$ENV{PGUSER}');
    CREATE FOREIGN TABLE far_clicks (id int, label int, price float8, city text) SERVER far OPTIONS (table_name 'clicks');
    CREATE TABLE here AS SELECT * FROM far_clicks;
    CREATE VIEW seen AS SELECT * FROM far_clicks;
    CREATE VIEW merged AS SELECT f.id, f.label, h.price, f.city FROM far_clicks f JOIN here h USING (id);
    CREATE TABLE parts (id int, label int, price float8, city text) PARTITION BY RANGE (id);
    CREATE TABLE near_part PARTITION OF parts FOR VALUES FROM (0) TO (501);
    CREATE FOREIGN TABLE far_part PARTITION OF parts FOR VALUES FROM (501) TO (2000) SERVER far OPTIONS (table_name 'part');
    INSERT INTO near_part SELECT * FROM here WHERE id <= 500;
    CREATE TABLE m AS SELECT ctr_train(c, ctr_fit(epochs => 1, ignore => '{id}')) AS model FROM here c;
    CREATE TABLE m3 AS SELECT ctr_train(c, ctr_deepcross(n_classes => 3) || ctr_fit(label => 'kind', epochs => 1, ignore => '{id,label}')) AS model
        FROM (SELECT *, id % 3 AS kind FROM here) c;});

my $model = '(SELECT model FROM m)';
my $median = query("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ctr_predict($model, c)) FROM here c");
my %statements = (
    'in a condition' => "SELECT count(*) FROM SOURCE c WHERE ctr_predict($model, c) > $median",
    'of a joined model' => "SELECT count(*) FROM SOURCE c, m WHERE ctr_predict(m.model, c) > $median",
    'above a fence' => "SELECT count(*) FROM (SELECT ctr_predict($model, c) AS p FROM SOURCE c OFFSET 0) s WHERE p > $median",
    'in an aggregate' => "SELECT round(sum(ctr_predict($model, c))::numeric, 6) FROM SOURCE c",
    'as an order' => "SELECT array_agg(id) FROM (SELECT id FROM SOURCE c ORDER BY ctr_predict($model, c), id LIMIT 10) s",
    'of classes' => 'SELECT round(sum((ctr_predict_classes((SELECT model FROM m3), c))[2])::numeric, 6) FROM SOURCE c',
    'of classes in a condition' => 'SELECT count(*) FROM SOURCE c WHERE (ctr_predict_classes((SELECT model FROM m3), c))[3] > 0.3',
    'in blocks' => "SELECT round(sum(p)::numeric, 6) FROM (SELECT ctr_predict_batch($model, c) OVER (ORDER BY id) AS p FROM SOURCE c) s",
    'evaluated' => "SELECT (e).rows, round((e).loss::numeric, 6), round((e).auc::numeric, 6) FROM (SELECT ctr_evaluate($model, c) AS e FROM SOURCE c) s",
    'encoded' => "SELECT sum((ctr_encode($model, c)).x_cat[1]) FROM SOURCE c",
    'encoded in a condition' => "SELECT count(*) FROM SOURCE c WHERE (ctr_encode($model, c)).x_cat[1] > 2",
    'in a join' => "SELECT count(*) FROM SOURCE c JOIN SOURCE d USING (id) WHERE ctr_predict($model, c) > $median AND ctr_predict($model, d) > $median",
    'by groups' => "SELECT array_agg(n ORDER BY n) FROM (SELECT round(max(ctr_predict($model, c))::numeric, 6) AS n FROM SOURCE c GROUP BY city) s",
);
my %local = map { $_ => query($statements{$_} =~ s/SOURCE/here/gr) } keys %statements;
ok($local{'in a condition'} > 0 && $local{'in a condition'} < 1000, 'the condition is true for some rows');
for my $source (qw(far_clicks seen merged parts)) {
    for my $name (sort keys %statements) {
        my $statement = $statements{$name} =~ s/SOURCE/$source/gr;
        my (undef, $out, $err) = run_psql($statement);
        is($out . $err, $local{$name}, "$source, $name");
        unlike(query("EXPLAIN (VERBOSE, COSTS OFF) $statement"), qr/Remote SQL:.*ctr_/, "$source, $name: no function of ctr is sent");
    }
}

my $changed = query("SELECT count(*) FROM here c WHERE ctr_predict($model, c) > $median");
for my $source (qw(far_clicks parts)) {
    my $changes = "WITH u AS (%s RETURNING 1) SELECT count(*) FROM u";
    my $update = "UPDATE $source c SET price = price + 1 WHERE ctr_predict($model, c) > $median";
    my $delete = "DELETE FROM $source c WHERE ctr_predict($model, c) > $median";
    is(query("BEGIN;\n" . sprintf($changes, $_) . ";\nROLLBACK;"), $changed, "$source: " . substr($_, 0, 6)) for ($update, $delete);
}

query("DROP SERVER far CASCADE");
query("DROP DATABASE $far WITH (FORCE)", database => 'postgres');
done_testing();
