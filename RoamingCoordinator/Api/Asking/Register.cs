using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Api.Asking;

/// <summary>All clients in order, and what can be counted only by going through them. The coordinator is asked in small parts.</summary>
internal sealed class Register
{
    private readonly Inquiry _inquiry;
    private readonly Shared<MacAddress[]> _clients;
    private readonly Shared<Census> _census;

    public Register(Inquiry inquiry, CancellationToken stop)
    {
        _inquiry = inquiry;
        _clients = new Shared<MacAddress[]>(ListAsync, stop);
        _census = new Shared<Census>(CountAsync, stop);
    }

    /// <summary>The clients that are known, in ascending order.</summary>
    public Task<MacAddress[]> ClientsAsync(CancellationToken cancel) => _clients.GetAsync(cancel);

    /// <summary>The figures.</summary>
    public Task<Census> CensusAsync(CancellationToken cancel) => _census.GetAsync(cancel);

    /// <summary>Goes through the clients behind one, part by part, until told to stop.</summary>
    /// <param name="after">The client before the first; none from the beginning.</param>
    /// <param name="most">The most clients that are looked at.</param>
    /// <param name="take">Takes a client; false stops.</param>
    /// <param name="cancel">Ends it.</param>
    /// <returns>The last client that was looked at; none if there are no more.</returns>
    public async Task<MacAddress> WalkAsync(MacAddress after, int most, Func<ClientView, bool> take, CancellationToken cancel)
    {
        var all = await ClientsAsync(cancel).ConfigureAwait(false);
        var index = Array.BinarySearch(all, after);
        index = index < 0 ? ~index : index + 1;
        for (var looked = 0; index < all.Length && looked < most;)
        {
            var part = all.AsSpan(index, Math.Min(Math.Min(Inquiry.MaxClients, most - looked), all.Length - index)).ToArray();
            var views = await _inquiry.LoadAsync(part, cancel).ConfigureAwait(false);
            foreach (var view in views.Clients)
            {
                index++;
                looked++;
                if (view is not null && !take(view))
                {
                    return index < all.Length ? view.Record.Client : MacAddress.None;
                }
            }
        }

        return index < all.Length ? all[index - 1] : MacAddress.None;
    }

    private async Task<MacAddress[]> ListAsync(CancellationToken cancel)
    {
        var all = new List<MacAddress>();
        ulong from = 0;
        do
        {
            var page = await _inquiry.ListAsync(from, cancel).ConfigureAwait(false);
            all.AddRange(page.Clients);
            from = page.Next;
        }
        while (from != 0);

        // Parts of a store may overlap, and only within a part is there an order.
        return [.. all.Distinct().Order()];
    }

    private async Task<Census> CountAsync(CancellationToken cancel)
    {
        var census = new Census();
        await WalkAsync(
            MacAddress.None,
            int.MaxValue,
            view =>
            {
                census.Add(view.Record);
                return true;
            },
            cancel).ConfigureAwait(false);
        return census;
    }
}
