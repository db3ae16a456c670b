"""The API of rate requests."""

from django.db import transaction
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from notifier import dispatch, requests
from notifier.models import RateRequest


class NewRequestSerializer(serializers.Serializer):
    currency_char_code = serializers.RegexField(r"^\s*[A-Za-z]{3}\s*$")
    telegram_id = serializers.IntegerField(min_value=-(2**63), max_value=2**63 - 1)


class RateRequestSerializer(serializers.ModelSerializer):
    class Meta:
        model = RateRequest
        exclude = ["lease_until", "sweep_at"]


class RateRequestViewSet(mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    queryset = RateRequest.objects.all()

    def get_serializer_class(self) -> type[serializers.BaseSerializer]:
        return NewRequestSerializer if self.action == "create" else RateRequestSerializer

    def create(self, request: Request) -> Response:
        serializer = NewRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        with transaction.atomic():
            row = requests.accept(data["currency_char_code"].strip().upper(), data["telegram_id"])
        dispatch.publish(row)
        url = reverse("rate-request-detail", args=[row.pk], request=request)
        body = {"id": str(row.pk), "status": row.status, "status_url": url}
        return Response(body, status=202, headers={"Location": url})
