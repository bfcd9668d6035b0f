using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Neighbours;

namespace Masquerade.Coordinator.Tests.Neighbours;

/// <summary>Who has which address, and where: the higher epoch is right, and an address is its first client's.</summary>
[Trait("Req", "N-13")]
public sealed class NeighbourDirectoryTests
{
    private static readonly NodeId First = new("ap1");
    private static readonly NodeId Second = new("ap2");
    private static readonly MacAddress Anna = MacAddress.Parse("02:00:00:00:00:11");
    private static readonly MacAddress Bert = MacAddress.Parse("02:00:00:00:00:22");
    private static readonly IpAddress Address = IpAddress.Parse("192.168.77.11");
    private static readonly IpAddress Another = IpAddress.Parse("fd00:77::11");
    private readonly NeighbourDirectory _directory = new();

    private AckStatus Note(NodeId node, MacAddress client, ulong epoch, out List<IpAddress> refused, bool left = false, bool isServing = true, params IpAddress[] addresses) => _directory.Note(
        node,
        new NeighbourHere { Id = 1, Client = client, Epoch = new Epoch(epoch), Addresses = addresses, Peers = [new TransportEndpoint(IpAddress.Parse(node == First ? "10.1.1.10" : "10.1.2.10"), 4_747)], HasLeft = left },
        _ => isServing,
        Instant.Zero,
        out _,
        out refused);

    [Fact]
    public void The_higher_epoch_is_right_and_brings_the_addresses_along()
    {
        Assert.Equal(AckStatus.Ok, Note(First, Anna, 5, out _, addresses: [Address, Another]));
        Assert.Equal(AckStatus.Ok, Note(Second, Anna, 6, out _));
        Assert.Equal(AckStatus.StaleEpoch, Note(First, Anna, 5, out _, addresses: Address));
        Assert.Equal(AckStatus.StaleEpoch, Note(First, Anna, 6, out _, addresses: Address));
        foreach (var address in new[] { Address, Another })
        {
            var place = _directory.Find(address);
            Assert.Equal((Second, new Epoch(6)), (place!.Node, place.Epoch));
            Assert.Equal("10.1.1.10:4747", Assert.Single(place.Previous).ToString());
        }

        // Said once more, it is still known where it was before.
        Assert.Equal(AckStatus.Ok, Note(Second, Anna, 6, out _, addresses: Address));
        Assert.Single(_directory.Find(Address)!.Previous);
    }

    [Theory]
    [InlineData(false, true, true)]
    [InlineData(true, true, false)]
    [InlineData(false, false, false)]
    public void An_address_is_its_first_client_s_while_that_is_served(bool left, bool isServing, bool isRefused)
    {
        Note(First, Anna, 5, out _, addresses: Address);
        if (left)
        {
            Note(First, Anna, 5, out _, left: true);
            Assert.Null(_directory.Find(Address));
        }

        Assert.Equal(AckStatus.Ok, Note(Second, Bert, 9, out var refused, isServing: isServing, addresses: Address));
        Assert.Equal(isRefused ? [Address] : [], refused);
        Assert.Equal(isRefused ? Anna : Bert, _directory.Find(Address)!.Client);
        Assert.Equal(1, _directory.AddressCount);
    }

    /// <summary>A node that has restarted serves nobody until it says so: what was a client's there may be another's.</summary>
    [Fact]
    public void A_restarted_node_s_clients_do_not_keep_their_addresses()
    {
        Note(First, Anna, 5, out _, addresses: Address);
        Note(Second, Bert, 2, out _, addresses: Another);
        _directory.Restarted(First);
        Assert.Null(_directory.Find(Address));
        Assert.Equal(Bert, _directory.Find(Another)!.Client);
        Note(Second, Bert, 2, out var refused, addresses: [Address, Another]);
        Assert.Empty(refused);
        Assert.Equal(Bert, _directory.Find(Address)!.Client);

        // Whoever comes back has it as it was, if it is nobody else's by then.
        Note(First, Anna, 6, out refused, addresses: Address);
        Assert.Equal([Address], refused);
    }

    [Fact]
    public void Everything_is_bounded()
    {
        for (var i = 0; i < NeighbourDirectory.MaxClients + 10; i++)
        {
            var status = Note(First, new MacAddress(0x0200_0000_0000UL + (ulong)i), 1, out _, addresses: IpAddress.FromV4(0x0A00_0000u + (uint)i));
            Assert.Equal(i < NeighbourDirectory.MaxClients ? AckStatus.Ok : AckStatus.Refused, status);
        }

        // One that has left makes room.
        Note(First, new MacAddress(0x0200_0000_0000UL), 1, out _, left: true);
        Assert.Equal(AckStatus.Ok, Note(First, Anna, 1, out _, addresses: Address));
        Assert.Equal(NeighbourDirectory.MaxClients, _directory.Count);
        for (var i = 0; i < 100; i++)
        {
            _directory.Watch(Address, new NodeId($"n{i}"), Instant.Zero);
        }

        Assert.Equal(64, _directory.WatchersOf(Address, Instant.Zero).Count());
        Assert.Empty(_directory.WatchersOf(Address, Instant.Zero + TimeSpan.FromMinutes(2)));
    }
}
