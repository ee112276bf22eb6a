# Faults.pm: what the tests of faults share (12_terminations.pl, test/faults): statements that use each function of the
# extension, sessions that run them, and what must not be left of them.
package Faults;

use strict;
use warnings;
use CtrTest;
use Exporter 'import';

our @EXPORT = qw(create_tables work work_names rows_of start_session end_session said run_faults expected_result judge
  crashes results left_behind server_log $settings $alive);

our $settings = q{SET client_min_messages = error; SET ctr.max_threads = 4; SET ctr.threads = 4; SET maintenance_work_mem = '1MB';
SET client_connection_check_interval = '5ms';};

# The rows and models that statements use: rows of clicks, how many of them train the model that scores slowly, and rows of the
# model that is large.
sub create_tables
{
    my ($rows, $slow, $large) = @_;
    query(qq{SET client_min_messages = error; SET maintenance_work_mem = '64MB';
CREATE TABLE clicks AS SELECT i AS id, (i * 7919 % 5 = 0)::int AS label, (i % 97)::float8 AS price, 'c' || i % 7 AS city, 'd' || i % 5000 AS device
    FROM generate_series(1, $rows) i;
CREATE TABLE slow_rows AS SELECT * FROM clicks LIMIT $slow;
CREATE TABLE divided (LIKE clicks) PARTITION BY LIST (id);
CREATE TABLE divided_0 PARTITION OF divided DEFAULT;
CREATE TABLE divided_1 PARTITION OF divided FOR VALUES IN (1, 2, 3, 4, 5);
INSERT INTO divided SELECT 1 + id % 10, label, price, city, device FROM slow_rows;
CREATE TABLE models (name text, model ctr_model);
INSERT INTO models
SELECT name, ctr_train(c, options || ctr_fit(epochs => 1, ignore => '{id}')) FROM slow_rows c, (VALUES
    ('slow', ctr_fibinet(d_embed => 32, mlp_layers => '{256,256}')), ('small', ctr_deepcross(mlp_layers => '{16}')),
    ('classes', ctr_deepcross(n_classes => 2, mlp_layers => '{16}')), ('buckets', ctr_deepcross(cross_type => 'mix', mlp_layers => '{16}') || '{"numerical_buckets": 8}'),
    ('crosses', ctr_wide_deep(mlp_layers => '{16}') || '{"crosses": [["city", "device"]], "cross_counts": true}'), ('deepfm', ctr_deepfm(mlp_layers => '{16}'))) v(name, options)
    GROUP BY name;
INSERT INTO models SELECT 'large', ctr_train(r, ctr_fit(epochs => 1, min_count => 1, recipe => 'reference', max_seconds => 0.001))
    FROM (SELECT i % 2 AS label, 'a' || i AS a, 'b' || i AS b, 'c' || i AS c, 'd' || i AS d FROM generate_series(1, $large) i) r;
CREATE TABLE prepared (pass int, part ctr_model);
INSERT INTO prepared SELECT 1, ctr_prepare(c, ctr_fit(ignore => '{id}', crosses => 'none')) FROM slow_rows c GROUP BY id % 2;
INSERT INTO prepared SELECT 2, ctr_merge(part) FROM prepared WHERE pass = 1;
INSERT INTO prepared SELECT 3, ctr_prepare(c, NULL, part) FROM slow_rows c, prepared WHERE pass = 2 GROUP BY part, id % 2;
INSERT INTO prepared SELECT 4, ctr_merge(part) FROM prepared WHERE pass = 3;
INSERT INTO prepared SELECT 5, ctr_train(c, ctr_fit(epochs => 1), part) FROM slow_rows c, prepared WHERE pass = 4 GROUP BY part, id % 2;
CREATE TABLE parts_of_evaluation AS SELECT ctr_evaluate_part(model, c) AS part FROM models, slow_rows c WHERE name = 'small' GROUP BY id % 2;
CREATE TABLE scored AS SELECT label, ctr_predict(model, c) AS p FROM models, clicks c WHERE name = 'small';

-- what a training has learned; its history says how long epochs took
CREATE FUNCTION weights(m ctr_model) RETURNS text LANGUAGE sql AS \$\$
    SELECT md5(string_agg(t.name || ctr_tensor(m, t.name)::text, ',' ORDER BY t.name COLLATE "C")) FROM ctr_tensors(m) t WHERE t.name NOT LIKE 'ctr.history%' \$\$;
CREATE PROCEDURE train_in_rounds() LANGUAGE plpgsql AS \$\$
DECLARE
    m ctr_model;
BEGIN
    CALL ctr_train_distributed('divided', ctr_fit(ignore => '{id}', crosses => 'none'), m, rounds => 2);
END \$\$;
CREATE FUNCTION terminate() RETURNS boolean LANGUAGE plpgsql STABLE AS \$\$ -- rows are read ahead of nothing volatile
BEGIN RETURN pg_terminate_backend(pg_backend_pid()); END \$\$;});
}

# ------------------------------------------------------------------ statements

sub model { return "(SELECT model FROM models WHERE name = '$_[0]')" }
sub training { return "SELECT weights(ctr_train(c, " . ($_[1] // '') . "ctr_fit(ignore => '{id,z}', epochs => 1, min_count => 1, threads => 4$_[0]))) FROM ROWS c" }

# What is under way at a fault: SQL, in which ROWS stands for the table that rows come from.
my %works = (
    train => training('') =~ s/epochs => 1/epochs => 3/r,
    fibinet => training('', "ctr_fibinet(mlp_layers => '{16}') || "),
    classes => training('', "ctr_deepcross(n_classes => 2, mlp_layers => '{16}') || "),
    candidates => training(', candidates => 2, validation => 0.3', "ctr_deepfm(mlp_layers => '{16}') || ") =~ s/epochs => 1/epochs => 2/r =~ s/ROWS/(SELECT * FROM ROWS r LIMIT 5000)/r,
    crosses => q{SELECT weights(ctr_train(c, ctr_wide_deep() || ctr_fit(ignore => '{id,z}', epochs => 1, min_count => 1, crosses => 'auto', cross_counts => true, threads => 4)))
        FROM (SELECT r.*, id % 11 AS a, id % 13 AS b, id % 17 AS d FROM ROWS r) c},
    spill => training('') =~ s/ROWS/(SELECT r.*, 0 AS z FROM clicks r, generate_series(1, 60) LIMIT 20000)/r,
    groups => q{SELECT string_agg(w, ',' ORDER BY g) FROM (SELECT id % 2 AS g, weights(ctr_train(c, ctr_fit(ignore => '{id,z}', epochs => 1))) AS w FROM (SELECT * FROM ROWS r LIMIT 2000) c GROUP BY 1) s},
    go_on => qq{SELECT weights(ctr_train(c, ctr_fit(epochs => 1), @{[model('small')]})) FROM slow_rows c},
    prepare => q{SELECT ctr_describe(ctr_prepare(c, ctr_fit(ignore => '{id,z}', crosses => 'none'))) FROM ROWS c},
    prepare_on => q{SELECT ctr_describe(ctr_prepare(c, NULL, (SELECT part FROM prepared WHERE pass = 2))) FROM slow_rows c},
    merge => q{SELECT weights(ctr_merge(part)) FROM prepared WHERE pass = 5},
    merge_prepared => q{SELECT ctr_describe(ctr_merge(part)) FROM prepared WHERE pass = 3},
    step => q{SELECT weights((SELECT model FROM ctr_step(a.part, b.part, NULL, 0.5))) FROM prepared a, (SELECT part FROM prepared WHERE pass = 5 LIMIT 1) b WHERE pass = 4},
    estimate => q{SELECT ctr_estimate(part) IS NOT NULL FROM prepared WHERE pass = 4},
    rounds => q{CALL train_in_rounds()},
    evaluate_parts => qq{SELECT ctr_evaluate_distributed('divided', @{[model('small')]})},
    predict => qq{SELECT sum(p) FROM (SELECT ctr_predict_batch(@{[model('slow')]}, c) OVER () AS p FROM ROWS c) s},
    blocks => qq{SELECT sum(ctr_predict(@{[model('slow')]}, c)) FROM ROWS c},
    rows => qq{SELECT sum(CASE WHEN id > 0 THEN ctr_predict(@{[model('buckets')]}, c) END) FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    columns => qq{SELECT sum(ctr_predict(@{[model('crosses')]}, c)) FROM (SELECT id % 100 AS id, price, city, min(device) AS device FROM clicks r GROUP BY 1, 2, 3) c},
    predict_classes => qq{SELECT sum((ctr_predict_classes(@{[model('classes')]}, c))[2]) FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    encode => qq{SELECT md5(string_agg(ctr_encode(@{[model('crosses')]}, c)::text, ',')) FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    evaluate => qq{SELECT (ctr_evaluate(@{[model('slow')]}, c)).auc FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    evaluate_part => qq{SELECT md5(ctr_evaluate_part(@{[model('small')]}, c)) FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    evaluate_merge => q{SELECT ctr_evaluate_merge(part) FROM parts_of_evaluation},
    metrics => q{SELECT ctr_auc(label, p), ctr_logloss(label, p), ctr_auc(label, p, 2), ctr_logloss(label, p, 2) FROM scored},
    curves => q{SELECT md5(ctr_plot_roc(label, p)), md5(ctr_plot_calibration(label, p)), ctr_calibration(label, p) FROM scored},
    drift => qq{SELECT cardinality(ctr_drift(@{[model('slow')]}, c)) FROM (SELECT * FROM ROWS r LIMIT 5000) c},
    explain => qq{SELECT count(*) FROM (SELECT * FROM ROWS r LIMIT 400) c, LATERAL ctr_explain(@{[model('slow')]}, c)},
    explain_class => qq{SELECT md5(string_agg(e::text, ',')) FROM (SELECT * FROM ROWS r LIMIT 400) c, LATERAL ctr_explain(@{[model('classes')]}, c, 1) e},
    importance => qq{SELECT md5(string_agg(i::text, ',')) FROM ctr_importance(@{[model('slow')]}) i},
    interactions => qq{SELECT md5(string_agg(i::text, ',')) FROM ctr_interactions(@{[model('slow')]}) i},
    load => qq{SELECT ctr_predict(@{[model('large')]}, r) FROM (SELECT 'a1' AS a, 'b1' AS b, 'c1' AS c, 'd1' AS d) r},
    share => q{SELECT count(*) FROM (SELECT ctr_predict(m, c) AS p FROM (SELECT ctr_train(c, o) AS m
        FROM slow_rows c, (SELECT ctr_deepcross(mlp_layers => '{16}') || ctr_fit(ignore => '{id}', epochs => 1, seed => (random() * 1e9)::int) AS o OFFSET 0) o) m, (SELECT * FROM clicks LIMIT 3) c) s WHERE p > 0},
    export => q{SELECT md5(ctr_to_onnx(model)) FROM models WHERE name = 'large'},
    export_crosses => q{SELECT string_agg(md5(ctr_to_onnx(model)), ',' ORDER BY name) FROM models WHERE name NOT IN ('slow', 'large')},
    pack => q{SELECT md5(ctr_load_weights(model, ctr_state_dict(model))::bytea) FROM models WHERE name = 'large'},
    state_dict => q{SELECT string_agg(md5(ctr_state_dict(model)), ',' ORDER BY name) FROM models},
    report => q{SELECT md5(ctr_report(model)) FROM models WHERE name = 'large'},
    plots => q{SELECT md5(string_agg(ctr_plot(model, p), ',' ORDER BY name, p)) FROM models, unnest('{loss,auc,importance,interactions}'::text[]) p WHERE name <> 'large'},
    parts => q{SELECT md5(ctr_from_chunks(part, bytes)::bytea) FROM models, ctr_chunks(model, 100000) WHERE name = 'large'},
    text => q{SELECT md5(model::text::ctr_model::bytea) FROM models WHERE name = 'large'},
    compare => q{SELECT count(*), sum(ctr_model_hash(a.model)) FROM models a JOIN models b ON a.model = b.model},
    vocabulary => q{SELECT count(*), min(value) FROM models, ctr_vocabulary(model, 'a') WHERE name = 'large'},
    embeddings => q{SELECT count(*), min(value) FROM models, ctr_embeddings(model, 'device') WHERE name = 'slow'},
    look => q{SELECT md5(string_agg(concat(ctr_config(model), ctr_describe(model), (SELECT string_agg(s::text, ',') FROM ctr_summary(model) s),
        (SELECT string_agg(f::text, ',') FROM ctr_features(model) f), (SELECT count(*) FROM ctr_history(model)),
        (SELECT count(*) FROM ctr_tensors(model))), ',' ORDER BY name)) FROM models},
    options => q{SELECT count(*), ctr_options(ctr_fit(epochs => 3) || ctr_deepcross()) FROM ctr_options()},
);

sub work_names { return sort keys %works }

# rows that a work reads; none: its events can only come from outside
sub rows_of
{
    my ($work) = @_;
    return $works{$work} !~ /ROWS/ ? 0 : $works{$work} =~ /LIMIT (\d+)/ ? $1 : 20000;
}

# the work's SQL; with an event, which happens at a row of the table
sub work
{
    my ($name, $event, $row) = @_;
    my $z = $event ? "CASE WHEN id = $row THEN $event END" : '0';
    my $rows = "(SELECT k.*, $z AS z FROM clicks k)";
    return $works{$name} =~ s/ROWS/$rows/r;
}

# ------------------------------------------------------------------ sessions

# Runs SQL in a psql of its own: its process, its backend's, the file with what it said.
sub start_session
{
    my ($sql) = @_;
    our $count;
    my $name = scratch('session_' . ++$count);
    open my $in, '>', "$name.sql" or die;
    print $in "$settings\nSELECT pg_backend_pid();\n$sql\n";
    close $in;
    my $client = fork() // die "fork: $!";
    if ($client == 0) {
        $ENV{PGDATABASE} = $CtrTest::database;
        open STDOUT, '>', "$name.out";
        open STDERR, '>&', \*STDOUT;
        exec qw(psql -X -q -A -t -v VERBOSITY=verbose -f), "$name.sql";
    }
    my $session = { client => $client, out => "$name.out" };
    wait_until(sub { ($session->{backend}) = said($session) =~ /^(\d+)\n/ });
    return $session;
}

sub said
{
    my ($session) = @_;
    open my $file, '<', $session->{out} or return '';
    return join '', <$file>;
}

# Waits for the end of a session's client and backend.
sub end_session
{
    my ($session) = @_;
    waitpid $session->{client}, 0;
    wait_until(sub { !kill(0, $session->{backend}) }, 60);
    return said($session);
}

# A joined thread stays in /proc for a moment: the kernel wakes whoever joins it before it takes its entry away.
my $tasks = q{FROM pg_ls_dir('/proc/' || pg_backend_pid() || '/task')};
our $alive = qq{DO \$\$ BEGIN
    FOR i IN 1 .. 100 LOOP
        EXIT WHEN (SELECT count(*) $tasks) = 1;
        PERFORM pg_sleep(0.01);
    END LOOP;
END \$\$;
SELECT 'alive with ' || count(*) || ' thread' $tasks;};

# ------------------------------------------------------------------ faults one after the other in a session

# A fault's SQL: before and after the work; then the work again, and what is alive.
sub block
{
    my ($work, $fault) = @_;
    return join "\n", "\\echo FAULT $fault->{name}", $fault->{before}, work($work) . ';', $fault->{said} // '\echo -- over', $fault->{after} // '', work($work) . ';', "SELECT '--';", $alive, '';
}

# Runs a work with each of the faults in a psql; what was said at each.
sub run_faults
{
    my ($work, @faults) = @_;
    my ($name, $out) = map { scratch($_) } 'faults.sql', 'faults.out';
    open my $file, '>', $name or die;
    print $file "$settings\n", map { block($work, $_) } @faults;
    close $file;
    local $ENV{PGDATABASE} = $CtrTest::database;
    system("psql -X -q -A -t -v VERBOSITY=verbose -f $name >$out 2>&1");
    my (undef, @said) = split /^FAULT [^\n]*\n/m, CtrTest::slurp($out) . "\n";
    return map { s/^psql:\S+ //mgr } @said;
}

# What a session says without a fault.
sub expected_result
{
    my ($work) = @_;
    return query("$settings\n" . work($work) . ';');
}

# What is wrong about what was said at a fault, '' if nothing; $errors: the errors that it may raise.
sub judge
{
    my ($said, $errors, $expected) = @_;
    my ($first, $again, $end) = map { s/\n\z//r } $said =~ /^(.*?)^-- [^\n]*\n(.*?)^--\n(.*)\z/ms or return 'the session ended';
    return 'the next result differs' if $again ne $expected;
    return 'a thread is left' if $end !~ /^alive with 1 thread$/m;
    $first =~ s/\A\n+//;
    return $first eq $expected ? '' : $first !~ /^ERROR:  (\w+): /m ? 'another result' : $1 !~ $errors ? "error $1" : '';
}

# ------------------------------------------------------------------ what is left

# the same bytes before and after: a training, scores by batch, a model that is loaded
sub results
{
    return query("$settings\n" . join ";\n", map { work($_) } qw(train predict load));
}

sub server_log { return query('SHOW data_directory') =~ s{/[^/]+$}{/server.log}r }

# What a log says from byte $from on about crashes.
sub crashes
{
    my ($path, $from) = @_;
    open my $file, '<', $path or die "$path: $!";
    seek $file, $from, 0;
    return join '', grep { /terminated by signal|PANIC|TRAP:|not properly shut down|reinitializing/ } <$file>;
}

# Backends, temporary files, rows of ctr_progress and pins of shared models that are there, in words; '' is none.
sub left_behind
{
    return query(q{SELECT concat_ws(', ',
        (SELECT 'backends: ' || string_agg(query, '; ') FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'),
        (SELECT 'temporary files: ' || string_agg(name, ' ') FROM pg_ls_tmpdir()), (SELECT 'progress: ' || string_agg(phase, ' ') FROM ctr_progress),
        (SELECT 'pins: ' || sum(backends) FROM ctr_model_cache HAVING sum(backends) > 0))});
}

1;
