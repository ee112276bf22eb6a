# A hot standby scores with the models of its primary, follows when they are replaced, and trains; promoted while clients score, it
# goes on with the same scores, keeps models of its own, and the models are the same bytes.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use Test::More;

plan skip_all => 'there is no pg_basebackup' if system('pg_basebackup --version >' . scratch('version') . ' 2>&1') != 0;

my $tool = dirname(__FILE__) . '/../server';
my ($primary, $standby) = my @servers = map { "/tmp/ctr-$_.$$" } 'primary', 'standby';
END { my $status = $?; system($tool, 'stop', $_) for @servers; $? = $status }

# Runs SQL, or what there is to say against it, on one of the servers.
sub on
{
    my ($dir, $sql) = @_;
    local $ENV{PGHOST} = $dir;
    return query($sql, database => 'postgres');
}

system($tool, 'start', $primary, 'fsync = off', "shared_preload_libraries = 'ctr'") == 0 or die "no primary\n";
on($primary, q{SET client_min_messages = error; CREATE EXTENSION ctr;
CREATE TABLE clicks AS SELECT i AS id, (i * 7919 % 5 = 0)::int AS label, (i % 97)::float8 AS price, 'c' || i % 7 AS city FROM generate_series(1, 3000) i;
CREATE TABLE models (name text PRIMARY KEY, model ctr_model);
INSERT INTO models SELECT 'live', ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) FROM clicks c;});

mkdir $standby;
my $as_owner = $> == 0 ? 'runuser -u postgres -- ' : '';
system("chown --reference=$primary $standby; cd /; ${as_owner}pg_basebackup -h $primary -U postgres -D $standby/data -R -c fast") == 0 or die "no base backup\n";
system($tool, 'start', $standby) == 0 or die "no standby\n";
is(on($standby, 'SELECT pg_is_in_recovery()'), 't', 'a standby');

my $scores = q{SELECT string_agg(ctr_predict((SELECT model FROM models WHERE name = 'live'), c)::text, ',' ORDER BY id) FROM clicks c};
my $bytes = q{SELECT string_agg(name || sha256(model::bytea)::text, ',' ORDER BY name) FROM models};
my $weights = q{SELECT string_agg(t.name || ctr_tensor(m, t.name)::text, ',' ORDER BY t.name)
    FROM (SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1, seed => 3)) AS m FROM clicks c OFFSET 0) s, ctr_tensors(m) t WHERE t.name NOT LIKE 'ctr.history%'};
my $quiet = 'SET client_min_messages = error; ';

is(on($standby, $scores), on($primary, $scores), 'it gives the same scores');
is(on($standby, $quiet . $weights), on($primary, $quiet . $weights), 'and trains the same model');
for my $seed (1, 2) {
    on($primary, "${quiet}UPDATE models SET model = (SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1, seed => $seed)) FROM clicks c); VACUUM models;");
    my $now = on($primary, $bytes);
    wait_until(sub { on($standby, $bytes) eq $now });
    is(on($standby, $scores), on($primary, $scores), "it follows to model $seed");
}

# ------------------------------------------------------------------ promotion

# Clients go on while the standby becomes a primary; its primary has gone.
my ($was_bytes, $was_scores) = (on($primary, $bytes), on($primary, $scores));
my @clients;
{
    local $ENV{PGHOST} = $standby;
    local $CtrTest::database = 'postgres';
    @clients = map { start_query(qq{DO \$\$
DECLARE first text; again text;
BEGIN
    LOOP
        again := ($scores WHERE id <= 50);
        first := coalesce(first, again);
        IF again <> first THEN
            RAISE EXCEPTION 'other scores';
        END IF;
        EXIT WHEN NOT pg_is_in_recovery();
        PERFORM pg_sleep(0.01);
    END LOOP;
END \$\$;
$scores}) } 1 .. 3;
}
system($tool, 'stop', $primary);
is(on($standby, 'SELECT pg_promote()'), 't', 'the standby is promoted');
is(finish_query($_), $was_scores, 'a client goes on, with the same scores') for @clients;
is(on($standby, $bytes), $was_bytes, 'the same bytes');
is(on($standby, $scores), $was_scores, 'the same scores');
on($standby, "${quiet}INSERT INTO models SELECT 'own', ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) FROM clicks c");
is(on($standby, 'SELECT count(DISTINCT model) FROM models'), 2, 'and it keeps models of its own');

done_testing();
