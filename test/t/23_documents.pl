# README.md and docs/: every SQL block runs, in order, on the tables of docs/clicks.sql, and prints what the block after
# it shows; every link leads somewhere; docs/reference.md has all that the catalog, the options and the sources have.
#
# A comment before a block may say how it runs:
#   <!-- run: SQL -->           SQL comes first, which the reader does not see
#   <!-- fails -->              it ends with an error, which the block after it shows
#   <!-- not run: reason -->    it is left out
# In what is shown, "…" stands for any text, a line of it for any lines. Numbers with decimals may differ by a twentieth,
# since CPUs round differently; of a block after <!-- roughly --> all numbers may be others; of one after
# <!-- in any order --> each line is somewhere in what is printed.
use strict;
use warnings;
use CtrTest;
use Cwd qw(getcwd);
use File::Find;
use Test::More;

my @documents = ('README.md', map { "docs/$_.md" } qw(guide pytorch operations reference performance recipes many-machines));
my $root = getcwd();

# the fenced blocks of a document: {line, language, text, notes} in order
sub blocks
{
    my ($path) = @_;
    my (@blocks, $block, @notes);
    my $n = 0;
    for my $line (split /\n/, CtrTest::slurp($path)) {
        $n++;
        if ($line =~ /^```(\w*)/) {
            push @blocks, $block if $block;
            $block = $block ? undef : { line => "$path:$n", language => $1, text => '', notes => [splice @notes] };
        } elsif ($block) {
            $block->{text} .= "$line\n";
        } elsif ($line =~ /^<!-- (.*) -->$/) {
            push @notes, $1;
            die "$path:$n: $notes[-1]?\n" unless $notes[-1] =~ /^(?:run: .*|not run: .*|fails|roughly|in any order)$/;
        } elsif ($line =~ /\S/) {
            @notes = ();
            push @blocks, undef;    # what follows text is not the output of what precedes it
        }
    }
    return @blocks;
}

sub note_of
{
    my ($block, $name) = @_;
    return (map { /^$name(?:: (.*))?$/ ? $1 // 1 : () } @{ $block->{notes} })[0];
}

# whether two lines are the same but for blanks, rules, and decimals that differ a little, or with $roughly in any number
sub same_line
{
    my ($shown, $printed, $roughly) = @_;
    s/[-+]{3,}/---/g, s/\s+/ /g, s/ $//, s/^ // for $shown, $printed;
    $shown =~ s/ …/…/g;
    my $number = $roughly ? qr/-?\d+(?:\.\d+)?/ : qr/-?\d+\.\d+/;
    my $pattern = join '', map { $_ eq '…' ? '.*' : /^$number$/ ? "($number)" : quotemeta } split /(…|$number)/, $shown;
    my @printed = $printed =~ /^$pattern$/ or return 0;
    return 1 if $roughly;
    my @shown = $shown =~ /$number/g;
    return !grep { abs($shown[$_] - $printed[$_]) > 0.02 + abs($shown[$_]) / 20 } 0 .. $#shown;
}

# whether lines match those shown, where a line "…" stands for any number of them
sub same_lines
{
    my ($shown, $printed, $roughly) = @_;
    return @$printed == 0 if @$shown == 0;
    my ($first, @rest) = @$shown;
    if ($first =~ /^\s*…\s*$/) {
        return (grep { same_lines(\@rest, [@$printed[$_ .. $#$printed]], $roughly) } 0 .. @$printed) > 0;
    }
    return @$printed > 0 && same_line($first, $printed->[0], $roughly)
      && same_lines(\@rest, [@$printed[1 .. $#$printed]], $roughly);
}

sub lines { return grep { /\S/ } split /\n/, $_[0] }

# a test: a block printed what the block after it shows
sub shows
{
    my ($block, $shown, $printed) = @_;
    my @lines = lines($printed);
    my $fine = note_of($shown, 'in any order') ? !grep { my $line = $_; !grep { same_line($line, $_) } @lines } lines($shown->{text})
      : same_lines([lines($shown->{text})], \@lines, note_of($shown, 'roughly'));
    ok($fine, "$block->{line} prints what is shown") or diag("printed:\n$printed\nshown:\n$shown->{text}");
}

# Runs a document's SQL in one session of psql; what each block printed, by its number.
sub run_sql
{
    my (@blocks) = @_;
    my $script = "\\set ON_ERROR_STOP 1\n";
    for my $i (grep { $blocks[$_] && $blocks[$_]{language} eq 'sql' } 0 .. $#blocks) {
        next if note_of($blocks[$i], 'not run');
        my $stop = note_of($blocks[$i], 'fails') ? 0 : 1;
        my $before = note_of($blocks[$i], 'run') // '';
        $script .= "\\echo [before]\n$before\n\\set ON_ERROR_STOP $stop\n\\echo [block $i]\n$blocks[$i]{text}\\echo [end $i]\n\\set ON_ERROR_STOP 1\n";
    }
    open my $file, '>', scratch('document.sql') or die;
    print $file $script;
    close $file;
    chdir scratch('');
    symlink "$root/docs", 'docs';
    system(qq{PGDATABASE=$CtrTest::database PGTZ=UTC psql -X -q <document.sql >document.out 2>&1});
    chdir $root;
    my $output = CtrTest::slurp(scratch('document.out')) . "\n";
    return ($output, $output =~ /^\[block (\d+)\]\n(.*?)^\[end \1\]$/msg);
}

sub run_document
{
    my ($path) = @_;
    my @blocks = blocks($path);
    my ($output, %printed) = run_sql(@blocks);
    for my $i (0 .. $#blocks) {
        my $block = $blocks[$i] or next;
        next unless $block->{language} eq 'sql';
      SKIP: {
            my $reason = note_of($block, 'not run');
            skip "$block->{line} is left out: $reason", 1 if $reason;
            my $fine = defined $printed{$i} && !!note_of($block, 'fails') == !!($printed{$i} =~ /^ERROR:/m);
            ok($fine, "$block->{line} runs") or diag($printed{$i} // "after\n" . substr($output, -2000));
            my $next = $blocks[$i + 1];
            shows($block, $next, $printed{$i} // '') if $next && $next->{language} eq '';
        }
    }
    for my $i (0 .. $#blocks) {
        run_python($blocks[$i], $blocks[$i + 1]) if $blocks[$i] && $blocks[$i]{language} eq 'python';
    }
}

sub run_python
{
    my ($block, $shown) = @_;
    my $python = $ENV{PYTHON} // 'python3';
  SKIP: {
        skip "$block->{line}: $python lacks torch or safetensors", 2
          if system("$python -c 'import torch, numpy, safetensors' 2>/dev/null") != 0;
        open my $file, '>', scratch('document.py') or die;
        print $file $block->{text};
        close $file;
        local @ENV{qw(PGDATABASE PYTHONPATH)} = ($CtrTest::database, "$root/python");
        my $output = qx($python @{[scratch('document.py')]} 2>&1);
        is($?, 0, "$block->{line} runs") or diag($output);
        shows($block, $shown, $output) if $shown && $shown->{language} eq '';
    }
}

query('DROP EXTENSION ctr');
run_document($_) for @documents;

# links to files of this checkout, and to headings in them
sub anchors
{
    my ($path) = @_;
    return map { lc(s/[^\w\s-]//gr) =~ s/\s/-/gr } CtrTest::slurp($path) =~ /^#+ (.*)$/mg;
}

# all of it survives a dump: triggers, indexes and materialised views that look models up are restored, the scores are the same
my $scores = q{SELECT md5(string_agg(ctr_predict((SELECT model FROM models WHERE name = 'joined'), e)::text, ',' ORDER BY id)),
    (SELECT md5(string_agg(id || ' ' || score, ',' ORDER BY id)) FROM requests), (SELECT count(*) FROM best) FROM examples e};
my $restored = "${CtrTest::database}_restored";
query("DROP DATABASE IF EXISTS $restored", database => 'postgres');
query("CREATE DATABASE $restored", database => 'postgres');
is(system("pg_dump $CtrTest::database | psql -X -q -v ON_ERROR_STOP=1 -d $restored >/dev/null"), 0, 'the database is restored from a dump');
is(eval { query($scores, database => $restored) }, query($scores), 'with the same scores');
query("DROP DATABASE $restored", database => 'postgres');
query('DROP OWNED BY scorer, visitor, austria; DROP ROLE scorer, visitor, austria');

for my $path (@documents, 'CONTRIBUTING.md') {
    my $folder = $path =~ m{^(.*/)} ? $1 : '';
    my ($text, @dead) = CtrTest::slurp($path);
    while ($text =~ /\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)/g) {
        my ($target, $anchor) = ($1 eq '' ? $path : "$folder$1", $2);
        push @dead, $& unless -e $target && (!defined $anchor || grep { $_ eq $anchor } anchors($target));
    }
    is("@dead", '', "$path: every link leads somewhere");
}

# docs/reference.md is complete
my $reference = CtrTest::slurp('docs/reference.md');

# a test: each name is in the first column of a table; those of functions may be among the support functions
sub lacks_nothing
{
    my ($what, @names) = @_;
    my ($tables, $support) = split /^## Support functions$/m, $reference;
    cmp_ok(scalar @names, '>', 0, "$what: there are some");
    my @absent = grep { $tables !~ /^\|[^|]*`\Q$_\E[`(]/m && ($what ne 'functions' || $support !~ /`\Q$_\E[`(]/) } @names;
    is("@absent", '', "$what: docs/reference.md has all");
}

sub objects
{
    my ($catalog, $name, $where) = @_;
    return split /\n/, query("SELECT DISTINCT $name FROM pg_depend d JOIN $catalog o ON d.classid = '$catalog'::regclass AND d.objid = o.oid
        WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ctr') AND $where ORDER BY 1");
}

lacks_nothing('functions', objects('pg_proc', 'proname', 'true'));
lacks_nothing('types', objects('pg_type', 'typname', q{typname NOT LIKE '\_%'}));
lacks_nothing('operators', objects('pg_operator', 'oprname', 'true'));
lacks_nothing('casts', objects('pg_cast', q{castsource::regtype || '::' || casttarget::regtype}, 'true'));
lacks_nothing('operator classes', objects('pg_opclass', 'opcname', 'true'));
lacks_nothing('views', objects('pg_class', 'relname', q{relkind <> 'c'}));
lacks_nothing('settings', split /\n/, query(q{LOAD 'ctr'; SELECT name FROM pg_settings WHERE name LIKE 'ctr.%'}));

# of every option its line: name, what is allowed, the values of the two recipes
for my $option (split /\n/, query(q{SELECT format('%s | %s | %s | %s', option, allowed, coalesce(robust::text, 'none'), coalesce(reference::text, 'none')) FROM ctr_options()})) {
    my ($name, $cells) = split / \| /, $option, 2;
    like($reference, qr/^\| `\Q$name\E`[^|]* \| \Q$cells\E \|/m, "option $name");
}

# of every SQLSTATE that the sources raise a line
my $errcodes = CtrTest::slurp(qx(@{[$ENV{PG_CONFIG} // 'pg_config']} --includedir-server) =~ s/\n//r . '/utils/errcodes.h');
my %sqlstates = map { s/[',]//gr } $errcodes =~ /^#define (ERRCODE_\w+) MAKE_SQLSTATE\((.*)\)/mg;
my %raised;
find({ no_chdir => 1, wanted => sub {
    return unless /\.[ch]$/;
    $raised{$sqlstates{$_} // $_} = 1 for CtrTest::slurp($_) =~ /\b(ERRCODE_\w+)/g;
} }, 'src');
lacks_nothing('errors', sort keys %raised);

done_testing();
