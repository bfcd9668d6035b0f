using System.Diagnostics;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Runtime;

/// <summary>The operator's command that has routes changed, run as a real program.</summary>
[Trait("Req", "A-15")]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class AddressCommandTests : IAsyncDisposable
{
    private static readonly IpAddress First = IpAddress.Parse("10.1.1.10");
    private static readonly IpAddress Second = IpAddress.Parse("fd00:10:1:1::10");
    private readonly string _folder = Directory.CreateTempSubdirectory("masq-command-").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly SharedText _log = new();

    private string Program => Path.Combine(_folder, "command");

    private string[] Calls => File.Exists(Program + ".log") ? File.ReadAllLines(Program + ".log") : [];

    public async ValueTask DisposeAsync()
    {
        _stop.Dispose();
        await _log.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task It_hears_of_every_address_that_is_taken_or_given_up_and_at_the_end_of_those_that_are_left()
    {
        var command = Command("echo \"$@\" >> \"$0.log\"");
        var running = command.RunAsync(_stop.Token);
        command.Note(new AddressTaken(First, Epoch.None));
        await Said(1);
        command.Note(new AddressTaken(First, Epoch.None));
        command.Note(new AddressTaken(Second, new Epoch(7)));
        await Said(2);
        command.Note(new AddressYielded(First, new Epoch(8), new NodeId("ap2")));
        await Said(3);
        command.Note(new AddressTaken(First, new Epoch(9)));
        await Said(4);
        command.Note(new AddressYielded(First, new Epoch(10), new NodeId("ap2")));
        await Said(5);
        await _stop.CancelAsync();
        await running;
        Assert.Equal(
            ["take 10.1.1.10 0", "take fd00:10:1:1::10 7", "yield 10.1.1.10 8", "take 10.1.1.10 9", "yield 10.1.1.10 10", "yield fd00:10:1:1::10 7"],
            Calls);
        Assert.Empty(_log.ToString());
    }

    [Fact]
    public async Task What_has_changed_back_before_its_turn_is_not_done()
    {
        var command = Command("echo \"$@\" >> \"$0.log\"; test -e \"$0.go\" || sleep 1; touch \"$0.go\"");
        var running = command.RunAsync(_stop.Token);
        command.Note(new AddressTaken(First, Epoch.None));
        await Said(1);
        for (ulong i = 1; i <= 50; i++)
        {
            command.Note(new AddressYielded(First, new Epoch(i), NodeId.None));
            command.Note(new AddressTaken(First, Epoch.None));
            command.Note(new AddressTaken(Second, new Epoch(i)));
        }

        await Said(2);
        await _stop.CancelAsync();
        await running;
        Assert.Equal(["take 10.1.1.10 0", "take fd00:10:1:1::10 50", "yield 10.1.1.10 0", "yield fd00:10:1:1::10 50"], Calls);
    }

    [Fact]
    public async Task A_command_that_hangs_delays_the_end_by_its_own_time_only()
    {
        var command = Command("test \"$1\" = take || sleep 600");
        var running = command.RunAsync(_stop.Token);
        command.Note(new AddressTaken(First, Epoch.None));
        command.Note(new AddressTaken(Second, Epoch.None));
        await Task.Delay(500);
        var from = Stopwatch.GetTimestamp();
        await _stop.CancelAsync();
        await running;
        Assert.InRange(Stopwatch.GetElapsedTime(from).TotalSeconds, 4, 9);
        Assert.Contains("yield 10.1.1.10: ended", _log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_that_is_not_there_or_fails_is_said()
    {
        var missing = new AddressCommand("/nowhere/command", _log);
        missing.Note(new AddressTaken(First, Epoch.None));
        var failing = Command("exit 3");
        failing.Note(new AddressTaken(Second, Epoch.None));
        var running = Task.WhenAll(missing.RunAsync(_stop.Token), failing.RunAsync(_stop.Token));
        await Wait.ForAsync(() => _log.ToString().Contains("exit code 3", StringComparison.Ordinal) && _log.ToString().Contains("/nowhere/command take 10.1.1.10: ", StringComparison.Ordinal), _log.ToString);
        await _stop.CancelAsync();
        await running;
    }

    private Task Said(int calls) => Wait.ForAsync(() => Calls.Length == calls, () => string.Join(" | ", Calls));

    private AddressCommand Command(string script)
    {
        File.WriteAllText(Program, "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(Program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new AddressCommand(Program, _log);
    }
}
