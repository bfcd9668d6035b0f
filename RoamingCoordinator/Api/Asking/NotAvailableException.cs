namespace Masquerade.RoamingCoordinator.Api.Asking;

/// <summary>A question cannot be answered now; asking later may help.</summary>
internal sealed class NotAvailableException(string reason) : Exception(reason);
