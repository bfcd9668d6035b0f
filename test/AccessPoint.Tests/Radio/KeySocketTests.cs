using System.Collections.Concurrent;
using System.Security.Cryptography;
using Masquerade.AccessPoint.Agent.Radio;
using Masquerade.AccessPoint.Agent.Runtime;
using Masquerade.AccessPoint.Tests.Devices;
using Masquerade.AccessPoint.Tests.Users;
using Masquerade.AccessPoint.Users;
using Masquerade.Auth.FastTransition;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Tests.Radio;

/// <summary>The link to hostapd: an access point at one end of a wire, a program that asks for keys as hostapd does at the other.</summary>
[Trait("Req", "A-25")]
public sealed class KeySocketTests : IDisposable
{
    private static readonly MacAddress s_client = MacAddress.Parse("02:00:00:00:00:11");
    private readonly NetNamespace _agent = new("agent");
    private readonly NetNamespace _radio = new("radio");
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly byte[] _name = RandomNumberGenerator.GetBytes(16);
    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(32);
    private readonly BlockingCollection<byte[]> _heard = [];
    private readonly CancellationTokenSource _stop = new();

    public KeySocketTests() => _agent.Connect("ft1", _radio, "ft0");

    public void Dispose()
    {
        _stop.Dispose();
        _heard.Dispose();
        _agent.Dispose();
        _radio.Dispose();
    }

    [Fact]
    public async Task What_hostapd_asks_is_asked_of_the_coordinator_and_the_answer_goes_back()
    {
        var (said, question) = await AskAsync(isUp: true, asked => new RoamingKeyReply
        {
            Id = asked.Id, Client = asked.Client, Outcome = RoamingKeyOutcome.Given, Key = new Octets(_secret), Cipher = 0x000F_AC04, SecondsLeft = 1_800, Vlan = 20,
        });
        var radio = MacAddress.FromBytes(Convert.FromHexString(said[0]));
        Assert.Equal((s_client, radio, Convert.ToHexString(_name)), (question!.Client, question.Holder, Convert.ToHexString(question.Name.Span)));
        var name = new byte[PmkR1.NameLength];
        PmkR1.WriteName(_name, radio, s_client, name);
        Assert.Equal($"020000000011 {Convert.ToHexStringLower(_secret)} {Convert.ToHexStringLower(name)} 16 60 1800 20", said[1]);
    }

    [Theory]
    [InlineData(RoamingKeyOutcome.Unknown)]
    [InlineData(RoamingKeyOutcome.Refused)]
    public async Task Where_the_coordinator_has_none_hostapd_hears_so(RoamingKeyOutcome outcome)
    {
        var (said, _) = await AskAsync(isUp: true, asked => new RoamingKeyReply { Id = asked.Id, Client = asked.Client, Outcome = outcome });
        Assert.Equal("020000000011 - - - - - -", said[1]);
    }

    [Fact]
    public async Task Without_a_coordinator_hostapd_hears_at_once_that_there_is_none()
    {
        var (said, question) = await AskAsync(isUp: false, _ => throw new InvalidOperationException("nobody is there"));
        Assert.Equal("020000000011 - - - - - -", said[1]);
        Assert.Null(question);
    }

    private async Task<(string[] Said, RoamingKeyQuery? Question)> AskAsync(bool isUp, Func<RoamingKeyQuery, RoamingKeyReply> answer)
    {
        using var socket = _agent.Run(() => new KeySocket("ft1", Take));
        var bench = new UserBench(new UsersConfig { Enabled = true, TrustLink = true }, model => model with { RadioKeys = new RrbKeyHolderConfig { Address = socket.HardwareAddress, Key = _key } });
        bench.Output.Keys = frame => socket.Send(frame);
        if (!isUp)
        {
            bench.Node.OnControlDisconnected(bench.Now);
        }

        var listening = socket.RunAsync(_stop.Token);
        var peer = Task.Run(() => OutsideProgram.Run("ip",
        [
            "netns", "exec", _radio.Name, "/usr/bin/python3", "-B", Path.Combine(AppContext.BaseDirectory, "Radio/Judges/hostapd_rrb.py"), "ft0", Convert.ToHexString(_key),
            Convert.ToHexString("ap1.example"u8), "020000000011", Convert.ToHexString(_name),
        ]));
        RoamingKeyQuery? question = null;
        while (!peer.IsCompleted)
        {
            if (_heard.TryTake(out var frame, TimeSpan.FromMilliseconds(50)))
            {
                bench.Node.OnKeyFrame(frame, bench.Now);
            }

            foreach (var asked in bench.Take<RoamingKeyQuery>().Take(question is null ? 1 : 0))
            {
                question = asked;
                bench.Hear(answer(asked));
            }
        }

        await _stop.CancelAsync();
        await listening;
        var (code, output, errors) = await peer;
        Assert.True(code == 0, errors);
        return (output.Split('\n', StringSplitOptions.RemoveEmptyEntries), question);
    }

    private ValueTask Take(AgentInput input, CancellationToken cancel)
    {
        _heard.Add(((KeyFrameReceived)input).Frame, cancel);
        return ValueTask.CompletedTask;
    }
}
