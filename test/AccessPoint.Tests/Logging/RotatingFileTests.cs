using System.Text;
using Masquerade.AccessPoint.Agent.Logging;

namespace Masquerade.AccessPoint.Tests.Logging;

/// <summary>The file of the log of mappings: how large it may become, and what others do to it.</summary>
public sealed class RotatingFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("masq-log-");

    private string Log => Path.Combine(_folder.FullName, "mappings.log");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact, Trait("Req", "N-12")]
    public void It_never_takes_more_room_than_it_may()
    {
        using var file = new RotatingFile(Log, maxBytes: 1_000, keep: 3);
        for (var i = 0; i < 500; i++)
        {
            file.Write(Line(i));
            Assert.All(_folder.GetFiles(), f => Assert.True(f.Length <= 1_000, $"{f.Name} has {f.Length} octets"));
        }

        Assert.Equal(["mappings.log", "mappings.log.1", "mappings.log.2", "mappings.log.3"], _folder.GetFiles().Select(f => f.Name).Order(StringComparer.Ordinal));
        string[] names = [Log + ".3", Log + ".2", Log + ".1", Log];
        var lines = names.SelectMany(File.ReadAllLines).ToList();
        Assert.Equal(Enumerable.Range(500 - lines.Count, lines.Count).Select(i => Encoding.ASCII.GetString(Line(i)).TrimEnd('\n')), lines);
    }

    [Fact, Trait("Req", "N-12")]
    public void Without_earlier_files_it_begins_anew()
    {
        using var file = new RotatingFile(Log, maxBytes: 100, keep: 0);
        for (var i = 0; i < 20; i++)
        {
            file.Write(Line(i));
        }

        Assert.Single(_folder.GetFiles());
        Assert.InRange(new FileInfo(Log).Length, 1, 100);
    }

    /// <summary>What logrotate does: moves it, moves it and makes a new one, or copies and cuts it.</summary>
    [Theory, Trait("Req", "N-12")]
    [InlineData("move")]
    [InlineData("create")]
    [InlineData("cut")]
    public void It_is_noticed_when_others_move_or_cut_it(string how)
    {
        using var file = new RotatingFile(Log, maxBytes: 1_000_000, keep: 3);
        file.Write("one\n"u8);
        var aside = Path.Combine(_folder.FullName, "aside");
        if (how is "cut")
        {
            File.Copy(Log, aside);
            using var cut = new FileStream(Log, FileMode.Truncate, FileAccess.Write, FileShare.ReadWrite);
        }
        else
        {
            File.Move(Log, aside);
        }

        if (how is "create")
        {
            File.WriteAllText(Log, string.Empty);
        }

        file.Write("two\n"u8);
        file.Write("three\n"u8);
        Assert.Equal("one\n", File.ReadAllText(aside));
        Assert.Equal("two\nthree\n", File.ReadAllText(Log));
    }

    [Fact, Trait("Req", "N-12")]
    public void Asked_to_it_opens_the_file_by_its_name_again()
    {
        using var file = new RotatingFile(Log, maxBytes: 1_000_000, keep: 3);
        file.Write("one\n"u8);

        // Another file of the very same length: nothing tells it from the old one but the request.
        File.Move(Log, Log + "-aside");
        File.WriteAllText(Log, "new\n");
        file.Reopen();
        file.Write("two\n"u8);
        Assert.Equal("new\ntwo\n", File.ReadAllText(Log));
        Assert.Equal("one\n", File.ReadAllText(Log + "-aside"));
    }

    [Fact, Trait("Req", "N-12")]
    public void Half_a_line_of_an_agent_that_died_stays_a_line_of_its_own()
    {
        File.WriteAllText(Log, "whole\nha");
        using var file = new RotatingFile(Log, maxBytes: 1_000_000, keep: 3);
        file.Write("next\n"u8);
        Assert.Equal("whole\nha\nnext\n", File.ReadAllText(Log));
    }

    [Fact, Trait("Req", "N-12")]
    public void Only_its_owner_writes_and_only_its_group_reads()
    {
        using var file = new RotatingFile(Log, maxBytes: 1_000, keep: 1);
        file.Write("one\n"u8);
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(Log) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead));
    }

    [Fact, Trait("Req", "N-12")]
    public void A_full_disk_costs_no_half_lines_and_is_over_when_there_is_room()
    {
        using var disk = new SmallDisk(_folder.CreateSubdirectory("disk").FullName, kilobytes: 128);
        var path = Path.Combine(disk.Path, "mappings.log");
        using var file = new RotatingFile(path, maxBytes: 10_000_000, keep: 3);
        var block = new byte[1_000];
        block.AsSpan().Fill((byte)'x');
        block[^1] = (byte)'\n';
        var written = 0;
        Assert.Throws<IOException>(() =>
        {
            for (; written < 1_000; written++)
            {
                file.Write(block);
            }
        });
        Assert.InRange(written, 1, 200);
        Assert.Equal(written * 1_000L, new FileInfo(path).Length);
        Assert.Throws<IOException>(() => file.Write(block));

        File.Move(path, Path.Combine(_folder.FullName, "elsewhere"));
        file.Write("again\n"u8);
        Assert.Equal("again\n", File.ReadAllText(path));
    }

    private static byte[] Line(int number) => Encoding.ASCII.GetBytes($"{{\"record\":\"mapping\",\"number\":{number:D6}}}\n");
}
