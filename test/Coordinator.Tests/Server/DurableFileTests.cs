using System.Text;
using System.Threading.Channels;
using Masquerade.RoamingCoordinator.Server;
using Masquerade.RoamingCoordinator.Server.Users;

namespace Masquerade.Coordinator.Tests.Server;

/// <summary>What is kept in files: whole, on the disk, its owner's alone; and what is in memory is what is in the file.</summary>
public sealed class DurableFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-durable-");

    private string Place => Path.Combine(_folder.FullName, "kept");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_new_file_is_its_owners_alone_and_one_that_was_there_keeps_its_mode()
    {
        Assert.Equal(Replacement.Done, DurableFile.Replace(Place, "one"u8));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Place));
        File.SetUnixFileMode(Place, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.Equal(Replacement.Done, DurableFile.Replace(Place, "two"u8));
        Assert.Equal("two", File.ReadAllText(Place));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(Place));
        Assert.Single(_folder.GetFiles());
    }

    [Fact]
    public void A_link_at_the_temporary_name_is_not_followed_and_one_at_the_files_own_is()
    {
        var other = Path.Combine(_folder.FullName, "other");
        File.WriteAllText(other, "untouched");
        File.CreateSymbolicLink(Place + ".new", other);
        Assert.Equal(Replacement.Done, DurableFile.Replace(Place, "one"u8));
        Assert.Equal(("untouched", "one"), (File.ReadAllText(other), File.ReadAllText(Place)));
        Assert.Null(File.ResolveLinkTarget(Place, returnFinalTarget: false));

        var link = Path.Combine(_folder.FullName, "link");
        File.CreateSymbolicLink(link, Place);
        Assert.Equal(Replacement.Done, DurableFile.Replace(link, "two"u8));
        Assert.Equal("two", File.ReadAllText(Place));
        Assert.NotNull(File.ResolveLinkTarget(link, returnFinalTarget: false));
    }

    [Fact]
    public void Where_it_cannot_be_written_it_is_said_and_nothing_has_changed()
    {
        Assert.Equal(Replacement.Not, DurableFile.Replace(Path.Combine(_folder.FullName, "nowhere", "kept"), "one"u8));
        File.WriteAllText(Place, "one");
        _folder.CreateSubdirectory("kept.new");
        Assert.Equal(Replacement.Not, DurableFile.Replace(Place, "two"u8));
        Assert.Equal("one", File.ReadAllText(Place));
    }

    /// <summary>What SIGHUP does: the whole file, or nothing of it.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public async Task A_file_of_policies_that_is_read_again_holds_as_a_whole_or_not_at_all()
    {
        var loop = Channel.CreateUnbounded<SessionInput>();
        var log = new List<string>();
        using var desk = new PolicyDesk(PolicyFile.Everything, Place, loop.Writer, (level, text) => log.Add($"{level} {text}"));
        var before = desk.Current.Tag;
        await desk.ReloadAsync();
        File.WriteAllText(Place, """{ "policies": { "one": ["deny both any"], "two": ["alow both any"] }, "default": "one" }""");
        await desk.ReloadAsync();
        Assert.Equal(before, desk.Current.Tag);
        Assert.Equal(2, log.Count(l => l.StartsWith("error ", StringComparison.Ordinal) && l.Contains("the policies before still hold", StringComparison.Ordinal)));
        Assert.Contains(log, l => l.Contains("policies.two rule 1", StringComparison.Ordinal));
        Assert.False(loop.Reader.TryRead(out _));

        File.WriteAllText(Place, """{ "policies": { "one": ["deny both any"] }, "default": "one" }""");
        var reading = desk.ReloadAsync();
        Assert.IsType<Question>(await loop.Reader.ReadAsync());
        Assert.NotEqual(before, desk.Current.Tag);
        Assert.Equal(["one"], desk.Current.Policies.Keys);
        Assert.False(reading.IsCompleted);
    }

    /// <summary>Whoever applies a document may go away; from when it is kept it is told all the same.</summary>
    [Fact]
    [Trait("Req", "A-27")]
    public async Task A_document_that_is_kept_is_told_although_nobody_waits_for_it_any_more()
    {
        var loop = Channel.CreateBounded<SessionInput>(1);
        Assert.True(loop.Writer.TryWrite(new StoreAnswered(() => { })));
        using var desk = new PolicyDesk(PolicyFile.Everything, Place, loop.Writer, (_, _) => { });
        using var caller = new CancellationTokenSource();
        var document = Encoding.UTF8.GetBytes("""{ "policies": { "nothing": ["deny both any"] }, "default": "nothing" }""");
        var applying = desk.ApplyAsync(document, null, checkOnly: false, caller.Token);
        await Wait.ForAsync(() => File.Exists(Place), () => "it is not kept");
        await caller.CancelAsync();
        Assert.IsType<StoreAnswered>(await loop.Reader.ReadAsync());
        Assert.IsType<Question>(await loop.Reader.ReadAsync(new CancellationTokenSource(TimeSpan.FromSeconds(10)).Token));
        Assert.Equal(document, desk.Current.Text.ToArray());
        Assert.False(applying.IsCompleted);
    }
}
