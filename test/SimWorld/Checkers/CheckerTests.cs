using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator;
using Masquerade.SimWorld.World;

namespace Masquerade.SimWorld.Checkers;

/// <summary>A checker that cannot fail shows nothing: each is given what it must refuse.</summary>
public sealed class CheckerTests
{
    private readonly SimNetwork _network = new(5, new Settings { AccessPoints = 2, Clients = 2 });
    private readonly Flow _flow;

    public CheckerTests()
    {
        _network.Attach(_network.Clients[0], 0);
        _network.Attach(_network.Clients[1], 0);
        _flow = _network.AddFlow(_network.Clients[0], TransportProtocol.Udp, ipv6: false, 0);
        _network.Run(TimeSpan.FromMilliseconds(200));
    }

    [Theory]
    [InlineData(24)]
    [InlineData(40)]
    public void A_wrong_checksum_is_noticed(int octet)
    {
        var frame = ToServer(_flow.Seen, 1_000);
        frame[octet] ^= 1;
        Refuses("wrong checksum", () => _network.FromUplink(_network.AccessPoints[0], frame));
    }

    [Fact]
    public void Another_clients_packet_is_noticed()
    {
        Span<byte> payload = stackalloc byte[Flow.PayloadLength];
        _flow.WritePayload(payload, 1_000, down: true);
        var stranger = _network.Clients[1];
        var packet = WireFormat.Packet(TransportProtocol.Udp, _flow.Server, new TransportEndpoint(stranger.V4, 20_000), fromClient: false, payload);
        _network.ToClient(_network.AccessPoints[0], WireFormat.Frame(stranger.Mac, AccessPoint.AccessPointModel.DefaultGatewayMac, packet));
        Refuses("not for it", () => _network.Run(TimeSpan.FromMilliseconds(10)));
    }

    [Fact]
    public void A_second_face_at_the_server_is_noticed()
    {
        _network.FromUplink(_network.AccessPoints[0], ToServer(new TransportEndpoint(_flow.Seen.Address, (ushort)(_flow.Seen.Port ^ 1)), 1_000));
        Refuses("suddenly sees", () => _network.Run(TimeSpan.FromMilliseconds(10)));
    }

    [Fact]
    public void An_epoch_that_goes_back_is_noticed()
    {
        var current = _network.Coordinator.Store.Load(_flow.Client.Mac).Record!;
        Refuses("moves in epoch", () => ((ICoordinatorOutput)_network.Coordinators[0]).Report(new ClientMoved(_flow.Client.Mac, current.Epoch, current.Fam, current.Fam, 0, Complete: true)));
    }

    [Fact]
    public void A_packet_made_of_nothing_is_noticed()
    {
        // The books are even when nothing is held; one packet more goes out than came in.
        var ap = _network.AccessPoints[0];
        Assert.Equal(0, ap.Ledger.Held(ap.Node.Drops));
        ap.Ledger.BookOut(ToServer(_flow.Seen, 1_000));
        Refuses("of nothing", () => _network.CheckLedger(ap));
    }

    [Fact]
    public void A_lost_packet_stays_on_the_books()
    {
        var ap = _network.AccessPoints[0];
        ap.Ledger.BookIn(ToServer(_flow.Seen, 1_000));
        Assert.Equal(1, ap.Ledger.Held(ap.Node.Drops));
    }

    [Fact]
    public void Tables_that_differ_are_noticed()
    {
        Assert.Null(TableCheck.FirstDisagreement(_network));
        _network.AccessPoints[0].Start(_network.NewModel(0, 99), 99);
        Assert.Contains("which no HAM owns", TableCheck.FirstDisagreement(_network), StringComparison.Ordinal);
    }

    private byte[] ToServer(TransportEndpoint source, uint sequence)
    {
        Span<byte> payload = stackalloc byte[Flow.PayloadLength];
        _flow.WritePayload(payload, sequence, down: false);
        return WireFormat.Frame(SimNetwork.RouterMac, new MacAddress(0x02BB_0000_0001), WireFormat.Packet(TransportProtocol.Udp, source, _flow.Server, fromClient: true, payload));
    }

    private static void Refuses(string why, Action action) => Assert.Contains(why, Assert.Throws<SimFailure>(action).Message, StringComparison.Ordinal);
}
