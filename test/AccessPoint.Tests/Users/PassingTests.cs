using Masquerade.Core.FastPath;
using Masquerade.Core.Flow;
using static Masquerade.AccessPoint.Tests.Users.UserBench;

namespace Masquerade.AccessPoint.Tests.Users;

/// <summary>What users' clients send and get past the access point's node (decision 47): nothing that belongs under a key.</summary>
[Trait("Req", "A-24")]
public sealed class PassingTests
{
    private const int Packets = 30;
    private readonly Offers _offers = new();

    [Fact]
    public void Packets_of_a_protected_link_are_never_offered_to_the_kernel()
    {
        using var alice = new PlayedClient(Client);
        var bench = new UserBench(change: model => model with { FastPath = _offers });
        alice.Join(bench);
        bench.Authenticate(Client, alice.SessionFor("ap1", user: "alice"));
        alice.Pump(bench);
        bench.Admit(Client);
        for (var i = 0; i < Packets; i++)
        {
            Assert.True(alice.Speak(bench));
            Assert.True(bench.Answer(bench.LastSource()));
        }

        Assert.Empty(_offers.Ways);
    }

    [Fact]
    public void Packets_of_others_are_and_nothing_more_passes_when_the_session_is_over()
    {
        var bench = new UserBench(change: model => model with { FastPath = _offers });
        bench.Authenticate(Client, Session("bob"));
        bench.Admit(Client);
        for (var i = 0; i < Packets; i++)
        {
            Assert.True(bench.Speak(Client));
            Assert.True(bench.Answer(bench.LastSource()));
        }

        Assert.Contains(_offers.Ways, w => w is { ToClient: false } && w.Owner == Client);
        Assert.Contains(_offers.Ways, w => w is { ToClient: true } && w.Owner == Client);
        bench.Push(id => new Core.Control.UserDenied { Id = id, User = "bob" });
        Assert.Empty(_offers.Ways);
    }

    private sealed class Offers : IFastPath
    {
        public List<PassingWay> Ways { get; } = [];

        public Action<int>? Leaving { get; set; }

        public void Offer(in PassingWay way) => Ways.Add(way);

        public void Void(int client) => Ways.RemoveAll(w => w.Client == client);

        public void VoidAll() => Ways.Clear();

        public void Clear() => Ways.Clear();

        public void Forget(int connection) => Ways.RemoveAll(w => w.Connection == connection);

        public bool TryTake(int connection, bool toClient, out PassedPackets passed)
        {
            passed = default;
            return false;
        }
    }
}
