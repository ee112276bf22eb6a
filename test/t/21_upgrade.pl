# ALTER EXTENSION ctr UPDATE ends where CREATE EXTENSION begins: from every released version (test/upgrade/ctr--VERSION.sql) to
# this one, and from this one to a next version that is made up here. Compared is all that the catalogs hold of the
# extension's objects (test/upgrade/catalog.sql). Models stored before stay as they are and score as they did.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(basename dirname);
use Test::More;

my $home = dirname(dirname(dirname(__FILE__)));
my $extension_dir = query("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'") . '/extension';
die "$extension_dir is not the throw-away server's\n" if index($extension_dir, "$ENV{PGHOST}/") != 0;
my $current = query("SELECT extversion FROM pg_extension WHERE extname = 'ctr'");
my $script = slurp("$extension_dir/ctr--$current.sql");
my ($updated, $fresh) = ("${CtrTest::database}_updated", "${CtrTest::database}_fresh");
my @made;

sub slurp
{
    my ($name) = @_;
    open my $file, '<:raw', $name or die "$name: $!\n";
    local $/;
    return <$file>;
}

# Puts a script beside those of the throw-away server's installation, until this test ends.
sub provide
{
    my ($name, $text) = @_;
    die "$name is installed\n" if -e "$extension_dir/$name" && !grep { $_ eq $name } @made;
    push @made, $name;
    open my $file, '>', "$extension_dir/$name" or die "$extension_dir/$name: $!\n";
    print $file $text;
    close $file or die;
}

sub new_database
{
    my ($name, $version) = @_;
    query("DROP DATABASE IF EXISTS $name;\nCREATE DATABASE $name;", database => 'postgres');
    query("CREATE EXTENSION ctr VERSION '$version';\n\\i $home/test/upgrade/catalog.sql", database => $name);
}

# What the catalogs say of the extension in one of two databases only, but for the version where that is to differ.
sub differences
{
    my %side;
    for my $database ($updated, $fresh)
    {
        $side{$_} .= $database eq $fresh ? '+' : '-' for split /\n/, query(q{SELECT replace(l, E'\n', ' ') FROM extension_catalog('ctr') l}, database => $database);
    }
    return map { "$side{$_} $_" } grep { $side{$_} =~ tr/-// != $side{$_} =~ tr/+// } sort keys %side;
}

# Updates from one version to another, and compares with the other made anew.
sub update
{
    my ($from, $to) = @_;
    new_database($updated, $from);
    new_database($fresh, $to);
    query("ALTER EXTENSION ctr UPDATE TO '$to'", database => $updated);
    return differences();
}

# Stores models and what they say in the database of an older version, updates, and looks at them again.
sub models_stay
{
    my ($from, $to) = @_;
    new_database($updated, $from);
    query(<<'END', database => $updated);
SET client_min_messages = warning;
CREATE TABLE clicks AS SELECT i % 3 = 0 AS label, i % 7 AS n, 'c' || i % 5 AS c FROM generate_series(1, 200) i;
CREATE TABLE models (name text, model ctr_model);
INSERT INTO models SELECT 'deepcross', ctr_train(t, '{"epochs": 1}') FROM clicks t;
INSERT INTO models SELECT 'fibinet', ctr_train(t, '{"architecture": "fibinet", "epochs": 1}') FROM clicks t;
CREATE VIEW state AS SELECT name, md5(model::bytea) AS bytes, round(sum(ctr_predict(model, t))::numeric, 6) AS scores FROM models, clicks t GROUP BY name, model;
END
    my $said = query('SELECT * FROM state ORDER BY name', database => $updated);
    query("ALTER EXTENSION ctr UPDATE TO '$to'", database => $updated);
    is(query('SELECT * FROM state ORDER BY name', database => $updated), $said, "$from to $to: stored models and their scores stay");
    like($said, qr/^deepcross\|\w{32}\|\d+\.\d+\nfibinet\|\w{32}\|\d+\.\d+$/, 'and say something');
}

# The made-up version: [what is changed, how its install script differs, how the upgrade script does it, what tells when it does not].
my @changes = (
    ['a comment', sub { s/(?<=COMMENT ON TYPE ctr_evaluation IS ')[^']*/what came out/ },
        "COMMENT ON TYPE ctr_evaluation IS 'what came out'", qr/comment on type public\.ctr_evaluation: what came out/],
    ['a volatility', sub { s/(FUNCTION ctr_predict_columns\(.*?) STABLE /$1 VOLATILE /s },
        'ALTER FUNCTION ctr_predict_columns VOLATILE', qr/ctr_predict_columns.*provolatile = v/],
    ['a cost', sub { s/(FUNCTION ctr_encode\(.*?COST )100\b/${1}200/s },
        'ALTER FUNCTION ctr_encode COST 200', qr/ctr_encode.*procost = 200/],
    ['a right', sub { $_ .= "\nREVOKE EXECUTE ON FUNCTION ctr_tensor FROM PUBLIC;\n" },
        'REVOKE EXECUTE ON FUNCTION ctr_tensor FROM PUBLIC', qr/ctr_tensor.*proacl = \{postgres=X/],
    ['a new function', sub { s/^(?=CREATE FUNCTION ctr_tensors)/CREATE FUNCTION ctr_next(ctr_model) RETURNS pg_catalog.jsonb AS 'MODULE_PATHNAME', 'ctr_config' LANGUAGE C;\n/m },
        "CREATE FUNCTION ctr_next(ctr_model) RETURNS pg_catalog.jsonb AS 'MODULE_PATHNAME', 'ctr_config' LANGUAGE C",
        qr/function public\.ctr_next/],
    ['a function dropped', sub { s/^CREATE FUNCTION ctr_build_info\(.*?;\nCOMMENT .*?;\n//ms },
        'DROP FUNCTION ctr_build_info()', qr/^- .*ctr_build_info/m],
    ['a default', sub { s/mlp_dropout double precision DEFAULT 0\.25/mlp_dropout double precision DEFAULT 0.125/ },
        sub { $_[0] =~ /^(CREATE FUNCTION ctr_deepcross\(.*?);$/ms ? $1 =~ s/CREATE/CREATE OR REPLACE/r : die }, qr/proargdefaults = .*0\.125/],
    ['a column of a type', sub { s/(calibration double precision)\);/$1, brier double precision);/ },
        'ALTER TYPE ctr_evaluation ADD ATTRIBUTE brier double precision', qr/ctr_evaluation\.brier/],
    ['an operator', sub { s/pg_catalog\.scalarltsel,/pg_catalog.scalarlesel,/ },
        'ALTER OPERATOR < (ctr_model, ctr_model) SET (RESTRICT = pg_catalog.scalarlesel)', qr/public\.<.*oprrest = pg_catalog\.scalarlesel/],
    ['a cast', sub { s/(CREATE CAST \(ctr_model AS pg_catalog\.bytea\) WITHOUT FUNCTION) AS ASSIGNMENT/$1/ },
        "DROP CAST (ctr_model AS pg_catalog.bytea);\nCREATE CAST (ctr_model AS pg_catalog.bytea) WITHOUT FUNCTION;\n" .
        "COMMENT ON CAST (ctr_model AS pg_catalog.bytea) IS 'a model''s bytes, one safetensors file; free of work'", qr/castcontext = e/],
);

my $next = $script;
for my $change (@changes)
{
    local $_ = $next;
    $change->[1]->();
    isnt($_, $next, "made up: $change->[0]");
    $next = $_;
}
my @statements = map { ref $_->[2] ? $_->[2]->($next) : $_->[2] } @changes;
provide('ctr--next.sql', $next);
provide("ctr--$current--next.sql", join '', map { "$_;\n" } @statements);
is(join("\n", update($current, 'next')), '', "$current to a made-up next version: as made anew");
models_stay($current, 'next');

# That the comparison sees anything: without one of the upgrade script's statements it tells what is not as it should be.
for my $missed (0 .. $#changes)
{
    provide("ctr--$current--next.sql", join '', map { "$statements[$_];\n" } grep { $_ != $missed } 0 .. $#changes);
    like(join("\n", update($current, 'next')), $changes[$missed][3], "an upgrade script that forgets $changes[$missed][0] is found out");
}

# Released versions
my %released = map { basename($_, '.sql') =~ s/^ctr--//r => $_ } glob "$home/test/upgrade/ctr--*.sql";
for my $version (sort grep { $_ ne $current } keys %released)
{
    provide("ctr--$version.sql", slurp($released{$version}));
    is(join("\n", update($version, $current)), '', "$version to $current: as made anew");
    models_stay($version, $current);
}
my @headings = slurp("$home/CHANGELOG.md") =~ /^## (.*)/mg;
is(join(' ', grep { !/unreleased/ && !$released{ s/ .*//r } } @headings), '', 'of every released version the install script is kept in test/upgrade');
is($script, slurp($released{$current}), 'and is still what it was') if $released{$current};

END {
    my $status = $?;
    unlink map { "$extension_dir/$_" } @made;
    run_psql("DROP DATABASE IF EXISTS $_ WITH (FORCE)", database => 'postgres') for grep { defined } $updated, $fresh;
    $? = $status;
}
done_testing();
